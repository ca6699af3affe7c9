import { randomUUID } from 'node:crypto'
import { Argument, Command } from 'commander'
import { createCommands } from '../commands/index.js'
import { Rejected } from '../domain/decider.js'
import { type Role, roles } from '../domain/user.js'
import { normaliseEmail } from '../http/wire.js'
import { readConfig } from '../platform/config.js'
import type { Instance, WithInstance } from './instance.js'

export const usersCommand = (withInstance: WithInstance): Command => {
  const users = new Command('users').description('people and what they may do')
  users
    .command('grant')
    .description('give a user a role; their tokens end, so that they log in again')
    .argument('<email>')
    .addArgument(new Argument('<role>').choices(roles))
    .action((email: string, role: Role) => withInstance(readConfig(), (instance) => grant(instance, email, role)))
  return users
}

const grant = async ({ store, secrets, config }: Instance, email: string, role: Role): Promise<void> => {
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
