import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import type { AccountCommands } from '../../commands/account.js'
import type { CommandContext, Done } from '../../commands/engine/context.js'
import { createCommands } from '../../commands/index.js'
import { Rejected } from '../../domain/decider.js'
import { type Email, normaliseEmail } from '../../domain/email.js'
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

type By = { readonly by?: string }

export const grant = async (instance: Instance, email: string, role: Role, { by }: By): Promise<void> => {
  await asked(instance, email, by, (users, context, input) => users.grantRole(context, { ...input, role }))
  console.log(`${email} has the role ${role} now`)
}

export const resetPassword = async (instance: Instance, email: string, { by }: By): Promise<void> => {
  const { password, until } = await asked(instance, email, by, (users, context, input) => users.resetPassword(context, input))
  console.log(password)
  console.error(
    `the password of ${email} is the one above: good for one log-in until ${until}, and as old_password to set another. The tokens of before are ended`,
  )
}

export const signOut = async (instance: Instance, email: string, { by }: By): Promise<void> => {
  await asked(instance, email, by, (users, context, input) => users.signOut(context, input))
  console.log(`the tokens of ${email} are ended`)
}

/** Does something to an account, in the name of the operator: the history says who it was. */
const asked = async <Value>(
  { store, secrets, config }: Instance,
  email: string,
  by: string | undefined,
  work: (users: AccountCommands, context: CommandContext, input: { email: Email }) => Promise<Done<Value>>,
): Promise<Value> => {
  const { users } = createCommands(store, { ...config, ...secrets })
  const actor = `operator ${by ?? userOfMachine()}` as const
  const context = { actor, correlationId: randomUUID(), deadline: performance.now() + config.commandDeadline }
  try {
    return (await work(users, context, { email: normaliseEmail(email) })).value
  } catch (error) {
    if (error instanceof Rejected && error.reason === 'UserNotFound')
      throw new Error(`nobody is registered as ${email}`, { cause: error })
    throw error
  }
}

/** Who became root by sudo is not root. A user id that the machine has no name for is its number. */
const userOfMachine = (): string => {
  if (process.env.SUDO_USER) return process.env.SUDO_USER
  try {
    return userInfo().username
  } catch {
    return `${process.getuid?.() ?? 'unknown'}`
  }
}
