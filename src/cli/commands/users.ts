import { randomUUID } from 'node:crypto'
import { createCommands } from '../../commands/index.js'
import { Rejected } from '../../domain/decider.js'
import { normaliseEmail } from '../../domain/email.js'
import type { Role } from '../../domain/user.js'
import { createQueries } from '../../queries/index.js'
import type { Instance } from '../instance.js'
import { table } from '../table.js'

type ListFlags = { readonly role?: Role; readonly limit: number; readonly json?: true }

export const list = async ({ database }: Instance, { role, limit, json }: ListFlags): Promise<void> => {
  // One more than is shown tells whether there are more.
  const { value } = await createQueries(database).people({ ...(role && { role }), limit: limit + 1 })
  const shown = value.slice(0, limit)
  if (json) {
    const people = shown.map(({ email, name, role: has, userId }) => ({ email, name, role: has, id: userId }))
    return console.log(JSON.stringify(people))
  }
  console.log(
    table(
      ['e-mail', 'name', 'role', 'id'],
      shown.map((one) => [one.email, one.name || '-', one.role, one.userId]),
    ),
  )
  if (value.length > limit) console.error(`there are more than these ${limit}: --limit shows more, --role fewer`)
}

export const grant = async ({ store, secrets, config }: Instance, email: string, role: Role): Promise<void> => {
  const { users } = createCommands(store, { ...config, ...secrets })
  const context = { actor: 'system', correlationId: randomUUID(), deadline: performance.now() + config.commandDeadline } as const
  try {
    await users.grantRole(context, { email: normaliseEmail(email), role })
  } catch (error) {
    if (error instanceof Rejected && error.reason === 'UserNotFound')
      throw new Error(`nobody is registered as ${email}`, { cause: error })
    throw error
  }
  console.log(`${email} has the role ${role} now`)
}
