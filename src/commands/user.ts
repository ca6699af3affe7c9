import { Rejected } from '../domain/decider.js'
import type { Email } from '../domain/email.js'
import type { UserId } from '../domain/ids.js'
import { type Claim, type Login, login } from '../domain/login.js'
import { isActive, isPast, isVoid, type NewEmail, type User, type UserCommand, user } from '../domain/user.js'
import { WrongRevision } from '../eventstore/store.js'
import {
  type Account,
  type AccountCommands,
  type AccountDeps,
  createAccountCommands,
  done,
  isHolder,
  loginOf,
} from './account.js'
import { type CommandContext, type Done, KeyReused, retrying, Unfinished } from './engine/context.js'
import { createUnderKey } from './engine/create.js'
import type { Policies } from './engine/idempotency/key-registry.js'
import type { Unstamped } from './engine/streams.js'
import { assertRevision, repeatOf } from './engine/verdict.js'

export type UserCommands = AccountCommands & {
  readonly register: (context: CommandContext, input: { email: Email; password: string; name?: string }) => Promise<Done<Account>>
  readonly edit: (context: CommandContext, input: EditUser) => Promise<Done<Account>>
}

export type EditUser = { userId: UserId; oldPassword: string; newPassword?: string; name?: string; email?: Email }

type Deps = AccountDeps & {
  /** How long somebody else's unfinished claim is respected, in milliseconds: politeness, not safety. */
  readonly claimYoung: number
}

/** What an Idempotency-Key means to each of them. */
export const userPolicies: Policies<UserCommands> = {
  register: 'creates',
  logIn: 'unguarded',
  edit: 'changes',
  grantRole: 'unguarded',
  resetPassword: 'unguarded',
  signOut: 'unguarded',
}

export const createUserCommands = (deps: Deps): UserCommands => ({
  register: (context, input) => register(deps, context, input),
  edit: (context, input) => edit(deps, context, input),
  ...createAccountCommands(deps),
})

/** Claims the e-mail for the user, and returns the claim's revision. A claim serves one command: a later one claims again. */
const claim = (deps: Deps, context: CommandContext, email: Login, userId: UserId): Promise<number> =>
  retrying(context, async () => {
    const claims = await deps.streams.load(login, email, context)
    const ended = await endAnothers(deps, context, email, userId, claims.state.claim)
    const command = { type: 'ClaimEmail' as const, login: email, userId, ...(ended !== undefined && { ended }) }
    return (await deps.streams.decide(login, email, claims, command, context)).revision
  })

/**
 * A claim counts only while its user's stream agrees; one that doesn't is ended there first, or its writer could come back to it.
 * Returns the revision of the claim that it ended. Throws `Rejected` EmailTaken, `WrongRevision`.
 */
const endAnothers = async (
  { streams, clock, claimYoung }: Deps,
  context: CommandContext,
  email: Login,
  userId: UserId,
  claimed: Claim | undefined,
): Promise<number | undefined> => {
  if (!claimed || claimed.userId === userId) return undefined
  const holder = await streams.load(user, claimed.userId, context)
  const age = clock() - Date.parse(claimed.at)
  if (isHolder(holder, email) || (age >= 0 && age < claimYoung)) throw new Rejected('EmailTaken')
  const command = { type: 'VoidClaim' as const, userId: claimed.userId, login: email, claimRevision: claimed.revision }
  await streams.decide(user, claimed.userId, holder, command, context)
  return claimed.revision
}

/** Gives up a claim that is no longer wanted; whoever has claimed since keeps theirs. */
const release = async (
  { streams }: Deps,
  context: CommandContext,
  email: Login,
  userId: UserId,
  claimRevision: number,
): Promise<void> => {
  try {
    const claims = await streams.load(login, email, context)
    if (claims.revision !== claimRevision) return
    await streams.decide(login, email, claims, { type: 'ReleaseEmail', login: email, userId, claimRevision }, context)
  } catch (error) {
    // The e-mail is changed whether or not the old one could be released: a claim that its user's stream doesn't say ends by itself.
    if (!(error instanceof WrongRevision) && !(error instanceof Unfinished)) throw error
  }
}

const register = (
  deps: Deps,
  context: CommandContext,
  { email, password, name = '' }: { email: Email; password: string; name?: string },
): Promise<Done<Account>> => {
  let hash: Promise<string> | undefined
  return createUnderKey(deps, user, context, {
    create: async (userId, before) => {
      const login = loginOf(deps, email)
      // Before the claim: where too many wait to be hashed, a claim that nobody goes on from would keep the e-mail for a while.
      hash ??= deps.passwords.hash(password)
      const hashed = await hash
      const claimRevision = await claim(deps, context, login, userId)
      const command = { type: 'Register' as const, userId, name, email, login, claimRevision, hash: hashed }
      return done(userId, await deps.streams.decide(user, userId, before, command, context, context.key))
    },
    repeat: (userId, _, accepted) => answerRepeat(deps, context, userId, accepted, password),
  })
}

/** Passwords are not in the request's hash: one that isn't the same is another request under the same key. */
const answerRepeat = async (
  { streams, passwords }: Deps,
  context: CommandContext,
  userId: UserId,
  revision: number,
  password?: string,
): Promise<Done<Account>> => {
  const then = await streams.loadAsOf(user, userId, revision, context)
  if (password !== undefined && !(await passwords.matches(password, then.state.hash))) {
    throw new KeyReused('the Idempotency-Key was used with another password')
  }
  return done(userId, then)
}

/** The password before the edit: a new one is the last of its events. */
const assertSameOldPassword = async (
  { streams, passwords }: Deps,
  context: CommandContext,
  { userId, oldPassword, newPassword }: EditUser,
  revision: number,
): Promise<void> => {
  const { state } = await streams.loadAsOf(user, userId, newPassword === undefined ? revision : revision - 1, context)
  if (!(await passwords.matches(oldPassword, state.hash)))
    throw new KeyReused('the Idempotency-Key was used with another old password')
}

/** An e-mail that was claimed for a user, and what the user's was then. */
type Move = NewEmail & { readonly from: Login; readonly claimedAt: number }

const edit = (deps: Deps, context: CommandContext, input: EditUser): Promise<Done<Account>> => {
  const { userId, oldPassword, newPassword, name } = input
  const { streams, passwords } = deps
  const hash = newPassword === undefined ? undefined : passwords.hash(newPassword)
  // What an attempt has done need not be done again by the next.
  let move: Move | undefined
  let proven: string | undefined
  return retrying(context, async () => {
    const before = await streams.load(user, userId, context)
    const { state } = before
    const accepted = repeatOf(before, context)
    if (accepted !== undefined) {
      await assertSameOldPassword(deps, context, input, accepted)
      return answerRepeat(deps, context, userId, accepted, newPassword)
    }
    if (!isActive(state)) throw new Rejected('UserNotFound')
    assertRevision(before, context)
    if (isPast(state, streams.timeAfter(before))) throw new Rejected('WrongPassword')
    if (proven !== state.hash && !(await passwords.matches(oldPassword, state.hash))) throw new Rejected('WrongPassword')
    proven = state.hash
    if (move && isVoid(state, move.login, move.claimRevision)) throw new Rejected('EmailTaken')
    // Where the e-mail has moved meanwhile, it is decided anew.
    if (move && !movesFrom(move, state)) move = undefined
    if (!move && input.email !== undefined && input.email !== state.email)
      move = await claimFor(deps, context, userId, input.email, state)
    const command = editCommand(userId, name, move, await hash)
    const after = await streams.decide(user, userId, before, command, context, context.key)
    if (move && after !== before) await release(deps, context, move.from, userId, move.claimedAt)
    return done(userId, after)
  })
}

const claimFor = async (deps: Deps, context: CommandContext, userId: UserId, email: Email, now: User): Promise<Move> => {
  const login = loginOf(deps, email)
  const claimRevision = await claim(deps, context, login, userId)
  return { email, login, claimRevision, from: now.login, claimedAt: now.claimRevision }
}

/** Whether the user's e-mail is still the one that it was when the new one was claimed. */
const movesFrom = ({ from, claimedAt }: Move, now: User): boolean => from === now.login && claimedAt === now.claimRevision

const editCommand = (
  userId: UserId,
  name: string | undefined,
  move: Move | undefined,
  hash: string | undefined,
): Unstamped<UserCommand> => ({
  type: 'Edit',
  userId,
  ...(name !== undefined && { name }),
  ...(move && { email: { email: move.email, login: move.login, claimRevision: move.claimRevision } }),
  ...(hash !== undefined && { hash }),
})
