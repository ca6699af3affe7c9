import { type Decider, Rejected } from './decider.js'
import type { UserId } from './ids.js'
import type { Login } from './login.js'

export type Role = 'customer' | 'analyst' | 'staff'
export const roles: readonly Role[] = ['customer', 'analyst', 'staff']

/** All personal data of the shop is in these events, and nowhere else in the history. */
export type UserEvent =
  | {
      type: 'UserRegistered'
      data: { userId: UserId; name: string; email: string; login: Login; claimRevision: number; at: string }
    }
  | { type: 'PasswordSet'; data: { userId: UserId; hash: string; at: string } }
  | { type: 'UserRenamed'; data: { userId: UserId; name: string; at: string } }
  | { type: 'EmailChanged'; data: { userId: UserId; email: string; login: Login; claimRevision: number; at: string } }
  | { type: 'EmailClaimVoided'; data: { userId: UserId; login: Login; claimRevision: number; at: string } }
  | { type: 'RoleGranted'; data: { userId: UserId; role: Role; at: string } }
  | { type: 'UserErased'; data: { userId: UserId; at: string } }

/** Event types that no log, export, topic or history route may show. */
export const secretTypes: ReadonlySet<string> = new Set<UserEvent['type']>(['PasswordSet'])

export type UserCommand =
  | {
      type: 'Register'
      userId: UserId
      name: string
      email: string
      login: Login
      claimRevision: number
      hash: string
      at: string
    }
  | { type: 'Edit'; userId: UserId; name?: string; email?: NewEmail; hash?: string; at: string }
  | { type: 'VoidClaim'; userId: UserId; login: Login; claimRevision: number; at: string }
  | { type: 'GrantRole'; userId: UserId; role: Role; at: string }

export type NewEmail = { readonly email: string; readonly login: Login; readonly claimRevision: number }

export type User = {
  readonly registered: boolean
  readonly erased: boolean
  readonly name: string
  readonly email: string
  readonly login: Login
  /** The revision, in the login's stream, of the claim behind the e-mail. */
  readonly claimRevision: number
  readonly hash: string
  readonly role: Role
  /** Raised by whatever must end the tokens that were given out before. */
  readonly epoch: number
  readonly voids: readonly { readonly login: Login; readonly claimRevision: number }[]
}

const initial: User = {
  registered: false,
  erased: false,
  name: '',
  email: '',
  login: '',
  claimRevision: -1,
  hash: '',
  role: 'customer',
  epoch: 0,
  voids: [],
}

/** Whether somebody ended this claim: a void ends the claim that it names and the same user's earlier ones on that e-mail. */
export const isVoid = (user: User, login: Login, claimRevision: number): boolean =>
  user.voids.some((ended) => ended.login === login && ended.claimRevision >= claimRevision)

export const isActive = (user: User): boolean => user.registered && !user.erased

const decide = (command: UserCommand, user: User): readonly UserEvent[] => {
  const { userId, at } = command
  switch (command.type) {
    case 'Register': {
      const { name, email, login, claimRevision, hash } = command
      return [
        { type: 'UserRegistered', data: { userId, name, email, login, claimRevision, at } },
        { type: 'PasswordSet', data: { userId, hash, at } },
      ]
    }
    case 'Edit':
      if (!isActive(user)) throw new Rejected('UserNotFound')
      return edited(command, user)
    case 'VoidClaim': {
      const { login, claimRevision } = command
      return isVoid(user, login, claimRevision) ? [] : [{ type: 'EmailClaimVoided', data: { userId, login, claimRevision, at } }]
    }
    case 'GrantRole':
      if (!isActive(user)) throw new Rejected('UserNotFound')
      return user.role === command.role ? [] : [{ type: 'RoleGranted', data: { userId, role: command.role, at } }]
  }
}

const edited = ({ userId, name, email, hash, at }: UserCommand & { type: 'Edit' }, user: User): readonly UserEvent[] => {
  const events: UserEvent[] = []
  if (name !== undefined && name !== user.name) events.push({ type: 'UserRenamed', data: { userId, name, at } })
  if (email) {
    if (isVoid(user, email.login, email.claimRevision)) throw new Rejected('EmailTaken')
    events.push({ type: 'EmailChanged', data: { userId, ...email, at } })
  }
  if (hash !== undefined) events.push({ type: 'PasswordSet', data: { userId, hash, at } })
  return events
}

const evolve = (user: User, event: UserEvent): User => {
  switch (event.type) {
    case 'UserRegistered': {
      const { name, email, login, claimRevision } = event.data
      return { ...user, registered: true, name, email, login, claimRevision }
    }
    case 'PasswordSet':
      return { ...user, hash: event.data.hash, epoch: user.epoch + 1 }
    case 'UserRenamed':
      return { ...user, name: event.data.name }
    case 'EmailChanged': {
      const { email, login, claimRevision } = event.data
      return { ...user, email, login, claimRevision }
    }
    case 'EmailClaimVoided': {
      const { login, claimRevision } = event.data
      return { ...user, voids: [...user.voids, { login, claimRevision }] }
    }
    case 'RoleGranted':
      return { ...user, role: event.data.role, epoch: user.epoch + 1 }
    case 'UserErased':
      return { ...initial, registered: user.registered, erased: true, epoch: user.epoch + 1 }
  }
}

export const user: Decider<User, UserCommand, UserEvent> = {
  category: 'user',
  initial,
  decide,
  evolve,
  accepts: (event) => event.type !== 'EmailClaimVoided',
}
