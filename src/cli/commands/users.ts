import { randomUUID } from 'node:crypto'
import { createCommands } from '../../commands/index.js'
import { Rejected } from '../../domain/decider.js'
import { normaliseEmail } from '../../domain/email.js'
import type { Role } from '../../domain/user.js'
import type { Instance } from '../instance.js'

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
