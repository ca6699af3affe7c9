import { createHmac, randomBytes } from 'node:crypto'
import { Rejected } from '../domain/decider.js'
import type { Email } from '../domain/email.js'
import type { UserId } from '../domain/ids.js'
import { type Login, login } from '../domain/login.js'
import { isActive, type Role, type User, user } from '../domain/user.js'
import { WrongRevision } from '../eventstore/store.js'
import { Unavailable } from '../platform/errors.js'
import type { Passwords } from '../platform/passwords.js'
import { type CommandContext, type Done, retrying } from './engine/context.js'
import type { StreamState } from './engine/stream-state.js'
import type { Clock, Streams } from './engine/streams.js'

// What is asked of an account by its e-mail, by who wants in and by operators; what a user asks of it by its id is in `user.ts`.

export type Account = {
  readonly userId: UserId
  readonly name: string
  readonly email: Email | ''
  readonly role: Role
  readonly epoch: number
}

export type AccountDeps = {
  readonly streams: Streams
  readonly passwords: Passwords
  readonly emailKey: string
  readonly clock: Clock
}

export type AccountCommands = {
  /**
   * Writes only where a password was good once, or its hash is of a lower cost than today's. The same refusal, in the same time, for an
   * unknown e-mail and a wrong password.
   */
  readonly logIn: (context: CommandContext, input: { email: Email; password: string }) => Promise<Done<Account>>
  readonly grantRole: (context: CommandContext, input: { email: Email; role: Role }) => Promise<Done<Account>>
  /** A new password, good for one log-in until then (RFC 3339), and to set one's own with. Ends the tokens. */
  readonly resetPassword: (
    context: CommandContext,
    input: { email: Email },
  ) => Promise<Done<Account & { password: string; until: string }>>
  /** Ends the user's tokens. */
  readonly signOut: (context: CommandContext, input: { email: Email }) => Promise<Done<Account>>
}

export const createAccountCommands = (deps: AccountDeps): AccountCommands => ({
  logIn: (context, input) => logIn(deps, context, input),
  grantRole: async (context, { email, role }) => {
    const { userId } = await holderOrNobody(deps, context, email)
    return done(userId, await deps.streams.execute(user, userId, { type: 'GrantRole', userId, role }, context))
  },
  resetPassword: (context, { email }) => resetPassword(deps, context, email),
  signOut: async (context, { email }) => {
    const { userId } = await holderOrNobody(deps, context, email)
    return done(userId, await deps.streams.execute(user, userId, { type: 'SignOut', userId }, context))
  },
})

export const done = (userId: UserId, { state, revision, position }: StreamState<User>): Done<Account> => ({
  value: { userId, name: state.name, email: state.email, role: state.role, epoch: state.epoch },
  revision,
  position,
})

export const loginOf = ({ emailKey }: Pick<AccountDeps, 'emailKey'>, email: Email): Login =>
  createHmac('sha256', emailKey).update(email).digest('hex')

/** A registered user who is not erased and whose e-mail rests on this claim. */
export const isHolder = ({ state }: StreamState<User>, login: Login): boolean => isActive(state) && state.login === login

type Holder = { readonly userId: UserId; readonly stream: StreamState<User> }

/** The user whom the newest claim names, if that user's stream says this e-mail. */
const holderOf = async (deps: AccountDeps, context: CommandContext, email: Email): Promise<Holder | undefined> => {
  const login_ = loginOf(deps, email)
  const { state } = await deps.streams.load(login, login_, context)
  // Nobody is read like somebody, so that the time tells nothing.
  const userId = state.claim?.userId ?? nobody
  const stream = await deps.streams.load(user, userId, context)
  return isHolder(stream, login_) ? { userId, stream } : undefined
}

/** A well-formed id that no user has. */
const nobody = '0'.repeat(24) as UserId

const holderOrNobody = async (deps: AccountDeps, context: CommandContext, email: Email): Promise<Holder> => {
  const holder = await holderOf(deps, context, email)
  if (!holder) throw new Rejected('UserNotFound')
  return holder
}

const logIn = (
  deps: AccountDeps,
  context: CommandContext,
  { email, password }: { email: Email; password: string },
): Promise<Done<Account>> =>
  // Of two who come with a password that is good once, one meets the other's log-in, and looks again.
  retrying(context, async () => {
    const holder = await holderOf(deps, context, email)
    const matches = await deps.passwords.matches(password, holder?.stream.state.hash)
    if (!holder || !matches) throw new Rejected('WrongPassword')
    const { userId, stream } = holder
    if (stream.state.oneTime)
      return done(userId, await deps.streams.decide(user, userId, stream, { type: 'UseOneTimePassword', userId }, context))
    if (deps.passwords.isOutdated(stream.state.hash)) await rehash(deps, context, holder, password)
    return done(userId, stream)
  })

/** Milliseconds that a log-in waits for its password's new hash to be written; it is right without it. */
const rehashPatience = 1_000

/** The next log-in does what could not be done now. */
const rehash = async (
  deps: AccountDeps,
  context: CommandContext,
  { userId, stream }: Holder,
  password: string,
): Promise<void> => {
  try {
    const command = { type: 'RehashPassword' as const, userId, was: stream.state.hash, hash: await deps.passwords.hash(password) }
    const deadline = Math.min(context.deadline, performance.now() + rehashPatience)
    await deps.streams.decide(user, userId, stream, command, { ...context, deadline })
  } catch (error) {
    if (!(error instanceof WrongRevision) && !(error instanceof Unavailable)) throw error
  }
}

/** Milliseconds for which a password that an operator gave is good. */
const resetLasts = 24 * 60 * 60 * 1_000

const resetPassword = async (
  deps: AccountDeps,
  context: CommandContext,
  email: Email,
): Promise<Done<Account & { password: string; until: string }>> => {
  const { userId } = await holderOrNobody(deps, context, email)
  // 96 bits, in characters that nobody has to escape.
  const password = randomBytes(12).toString('base64url')
  const until = new Date(deps.clock() + resetLasts).toISOString()
  const hash = await deps.passwords.hash(password)
  const reset = await deps.streams.execute(user, userId, { type: 'ResetPassword', userId, hash, oneTimeUntil: until }, context)
  const { value, ...rest } = done(userId, reset)
  return { ...rest, value: { ...value, password, until } }
}
