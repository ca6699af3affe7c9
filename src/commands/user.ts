import { createHmac } from 'node:crypto'
import { Rejected } from '../domain/decider.js'
import type { Email } from '../domain/email.js'
import type { UserId } from '../domain/ids.js'
import { type Claim, type Login, login } from '../domain/login.js'
import { isActive, isVoid, type NewEmail, type Role, type User, user } from '../domain/user.js'
import { noStream, WrongRevision } from '../eventstore/store.js'
import type { Passwords } from '../platform/passwords.js'
import { backOff, type CommandContext, type Done, KeyReused, Unfinished } from './engine/context.js'
import { assertRevision, type Clock, type Handle, repeatOf, timeAfter } from './engine/handle.js'
import { idOfKey, newId } from './engine/idempotency/command-key.js'
import { type Loaded, nothing } from './engine/stream-state.js'
import type { Streams } from './engine/streams.js'

export type Account = {
  readonly userId: UserId
  readonly name: string
  readonly email: string
  readonly role: Role
  readonly epoch: number
}

export type UserCommands = {
  readonly register: (context: CommandContext, input: { email: Email; password: string; name?: string }) => Promise<Done<Account>>
  /** Only reads. The same refusal, in the same time, for an unknown e-mail and a wrong password. */
  readonly logIn: (context: CommandContext, input: { email: Email; password: string }) => Promise<Done<Account>>
  readonly edit: (context: CommandContext, input: EditUser) => Promise<Done<Account>>
  readonly grantRole: (context: CommandContext, input: { email: Email; role: Role }) => Promise<Done<Account>>
}

export type EditUser = { userId: UserId; oldPassword: string; newPassword?: string; name?: string; email?: Email }

type Dependencies = {
  readonly streams: Streams
  readonly handle: Handle
  readonly passwords: Passwords
  readonly emailKey: string
  /** How long somebody else's unfinished claim is respected, in milliseconds: politeness, not safety. */
  readonly claimYoung: number
  readonly clock: Clock
}

export const createUserCommands = ({ streams, handle, passwords, emailKey, claimYoung, clock }: Dependencies): UserCommands => {
  const loginOf = (email: Email): Login => createHmac('sha256', emailKey).update(email).digest('hex')

  /** Claims the e-mail for the user, and answers the claim's revision. A claim serves one command: a later one claims again. */
  const claim = async (context: CommandContext, email: Login, userId: UserId): Promise<number> => {
    for (let attempt = 0; ; attempt++) {
      const claims = await streams.load(login, email, context)
      try {
        const ended = await endAnothers(context, email, userId, claims.state.claim)
        const command = { type: 'ClaimEmail' as const, login: email, userId, ...(ended !== undefined && { ended }) }
        const events = login.decide({ ...command, at: timeAfter(claims, clock) }, claims.state)
        return (await streams.append(login, email, claims, events, context)).revision
      } catch (error) {
        if (!(error instanceof WrongRevision)) throw error
        await backOff(attempt, context)
      }
    }
  }

  /** A claim counts only while its user's stream agrees; one that doesn't is ended there first, or its writer could come back to it.
   * Returns the revision of the claim that it ended. */
  const endAnothers = async (
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
    const events = user.decide({ ...command, at: timeAfter(holder, clock) }, holder.state)
    if (events.length > 0) await streams.append(user, claimed.userId, holder, events, context)
    return claimed.revision
  }

  /** Gives up a claim that is no longer wanted; whoever has claimed since keeps theirs. */
  const release = async (context: CommandContext, email: Login, userId: UserId, claimRevision: number): Promise<void> => {
    const claims = await streams.load(login, email, context)
    if (claims.revision !== claimRevision) return
    try {
      const events = login.decide(
        { type: 'ReleaseEmail', login: email, userId, claimRevision, at: timeAfter(claims, clock) },
        claims.state,
      )
      await streams.append(login, email, claims, events, context)
    } catch (error) {
      if (!(error instanceof WrongRevision)) throw error
    }
  }

  const register: UserCommands['register'] = async (context, { email, password, name = '' }) => {
    const hash = passwords.hash(password)
    for (let salt = 0, attempt = 0; ; attempt++) {
      const userId = context.key ? idOfKey(context.key, salt) : newId(clock())
      const before = context.key ? await streams.load(user, userId, context) : nothing(user.initial)
      const registered = repeatOf(before, context)
      if (registered !== undefined) return repeated(context, userId, registered, password)
      if (before.revision !== noStream) {
        salt++
        continue
      }
      const claimRevision = await claim(context, loginOf(email), userId)
      const command = { type: 'Register' as const, userId, name, email, login: loginOf(email), claimRevision, hash: await hash }
      try {
        const events = user.decide({ ...command, at: timeAfter(before, clock) }, before.state)
        return done(userId, await streams.append(user, userId, before, events, context, context.key))
      } catch (error) {
        if (!(error instanceof WrongRevision)) throw error
        await backOff(attempt, context)
      }
    }
  }

  /** Passwords are not in the request's hash: one that isn't the same is another request under the same key. */
  const repeated = async (
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

  /** The user whom the newest claim names, if that user's stream says this e-mail. */
  const holderOf = async (
    context: CommandContext,
    email: Email,
  ): Promise<{ userId: UserId; loaded: Loaded<User> } | undefined> => {
    const { state } = await streams.load(login, loginOf(email), context)
    // Nobody is read like somebody, so that the time tells nothing.
    const userId = state.claim?.userId ?? nobody
    const loaded = await streams.load(user, userId, context)
    return isHolder(loaded, loginOf(email)) ? { userId, loaded } : undefined
  }

  const logIn: UserCommands['logIn'] = async (context, { email, password }) => {
    const holder = await holderOf(context, email)
    const matches = await passwords.matches(password, holder?.loaded.state.hash)
    if (!holder || !matches) throw new Rejected('WrongPassword')
    return done(holder.userId, holder.loaded)
  }

  /** The password before the edit: a new one is the last of its events. */
  const assertSameOldPassword = async (
    context: CommandContext,
    { userId, oldPassword, newPassword }: EditUser,
    revision: number,
  ) => {
    const { state } = await streams.loadAsOf(user, userId, newPassword === undefined ? revision : revision - 1, context)
    if (!(await passwords.matches(oldPassword, state.hash)))
      throw new KeyReused('the Idempotency-Key was used with another old password')
  }

  const edit: UserCommands['edit'] = async (context, input) => {
    const { userId } = input
    const hash = input.newPassword === undefined ? undefined : passwords.hash(input.newPassword)
    let move: (NewEmail & { from: Login; claimedAt: number }) | undefined
    let proven: string | undefined
    for (let attempt = 0; ; attempt++) {
      const before = await streams.load(user, userId, context)
      const { state } = before
      const accepted = repeatOf(before, context)
      if (accepted !== undefined) {
        await assertSameOldPassword(context, input, accepted)
        return repeated(context, userId, accepted, input.newPassword)
      }
      if (!isActive(state)) throw new Rejected('UserNotFound')
      assertRevision(before, context)
      if (proven !== state.hash && !(await passwords.matches(input.oldPassword, state.hash))) throw new Rejected('WrongPassword')
      proven = state.hash
      if (move && isVoid(state, move.login, move.claimRevision)) throw new Rejected('EmailTaken')
      if (move && (move.from !== state.login || move.claimedAt !== state.claimRevision))
        throw new Unfinished('the e-mail was changed meanwhile')
      if (!move && input.email !== undefined && input.email !== state.email) {
        const email = loginOf(input.email)
        const claimRevision = await claim(context, email, userId)
        move = { email: input.email, login: email, claimRevision, from: state.login, claimedAt: state.claimRevision }
      }
      const events = user.decide(editCommand(userId, input.name, move, await hash, timeAfter(before, clock)), state)
      if (events.length === 0) return done(userId, before)
      try {
        const after = await streams.append(user, userId, before, events, context, context.key)
        if (move) await release(context, move.from, userId, move.claimedAt).catch(unlessUnfinished)
        return done(userId, after)
      } catch (error) {
        if (!(error instanceof WrongRevision)) throw error
        await backOff(attempt, context)
      }
    }
  }

  const grantRole: UserCommands['grantRole'] = async (context, { email, role }) => {
    const holder = await holderOf(context, email)
    if (!holder) throw new Rejected('UserNotFound')
    const { userId } = holder
    return done(
      userId,
      await handle(user, userId, (state, at) => user.decide({ type: 'GrantRole', userId, role, at }, state), context),
    )
  }

  return { register, logIn, edit, grantRole }
}

/** A well-formed id that no user has. */
const nobody = '0'.repeat(24) as UserId

const isHolder = ({ state }: Loaded<User>, email: Login): boolean => isActive(state) && state.login === email

/** The e-mail is changed whether or not the old one could be released: a claim that its user's stream doesn't say ends by itself. */
const unlessUnfinished = (error: unknown): void => {
  if (!(error instanceof Unfinished)) throw error
}

const editCommand = (
  userId: UserId,
  name: string | undefined,
  move: NewEmail | undefined,
  hash: string | undefined,
  at: string,
) => ({
  type: 'Edit' as const,
  userId,
  ...(name !== undefined && { name }),
  ...(move && { email: { email: move.email, login: move.login, claimRevision: move.claimRevision } }),
  ...(hash !== undefined && { hash }),
  at,
})

const done = (userId: UserId, { state, revision, position }: Loaded<User>): Done<Account> => ({
  value: { userId, name: state.name, email: state.email, role: state.role, epoch: state.epoch },
  revision,
  position,
})
