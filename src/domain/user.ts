import { type Decider, Rejected } from './decider.js'
import { claimRevision, type Descriptions, loginId, personal, text, userId } from './description.js'
import type { Email } from './email.js'
import type { UserId } from './ids.js'
import type { Login } from './login.js'

export type Role = 'customer' | 'analyst' | 'staff'
export const roles: readonly Role[] = ['customer', 'analyst', 'staff']

/** All personal data of the shop is in these events, and nowhere else in the history. */
export type UserEvent =
  | {
      type: 'UserRegistered'
      data: { userId: UserId; name: string; email: Email; login: Login; claimRevision: number; at: string }
    }
  /** `oneTimeUntil`: the password is somebody else's choice, good for one log-in before then. */
  | { type: 'PasswordSet'; data: { userId: UserId; hash: string; oneTimeUntil?: string; at: string } }
  /** The same password under another hash: nobody's token ends. */
  | { type: 'PasswordRehashed'; data: { userId: UserId; hash: string; at: string } }
  | { type: 'OneTimePasswordUsed'; data: { userId: UserId; at: string } }
  | { type: 'UserRenamed'; data: { userId: UserId; name: string; at: string } }
  | { type: 'EmailChanged'; data: { userId: UserId; email: Email; login: Login; claimRevision: number; at: string } }
  | { type: 'EmailClaimVoided'; data: { userId: UserId; login: Login; claimRevision: number; at: string } }
  | { type: 'RoleGranted'; data: { userId: UserId; role: Role; at: string } }
  | { type: 'SignedOut'; data: { userId: UserId; at: string } }
  | { type: 'UserErased'; data: { userId: UserId; at: string } }

/** Event types that no log, export, topic or history route may show. */
export const secretTypes: ReadonlySet<string> = new Set<UserEvent['type']>(['PasswordSet', 'PasswordRehashed'])

export type UserCommand =
  | {
      type: 'Register'
      userId: UserId
      name: string
      email: Email
      login: Login
      claimRevision: number
      hash: string
      at: string
    }
  | { type: 'Edit'; userId: UserId; name?: string; email?: NewEmail; hash?: string; at: string }
  | { type: 'VoidClaim'; userId: UserId; login: Login; claimRevision: number; at: string }
  | { type: 'GrantRole'; userId: UserId; role: Role; at: string }
  /** A password for one log-in until then, in the place of one that was forgotten. */
  | { type: 'ResetPassword'; userId: UserId; hash: string; oneTimeUntil: string; at: string }
  /** Logs in with such a password. */
  | { type: 'UseOneTimePassword'; userId: UserId; at: string }
  /** Keeps the password under another hash, unless it is a new one already. */
  | { type: 'RehashPassword'; userId: UserId; was: string; hash: string; at: string }
  | { type: 'SignOut'; userId: UserId; at: string }

export type UserRejection = 'EmailTaken' | 'UserExists' | 'UserNotFound' | 'WrongPassword'

export type NewEmail = { readonly email: Email; readonly login: Login; readonly claimRevision: number }

/** What a row shows of a user. */
export type Profile = {
  readonly name: string
  /** Empty of one who was erased, or has not registered. */
  readonly email: Email | ''
  readonly role: Role
  /** Raised by whatever must end the tokens that were given out before. */
  readonly epoch: number
}

export type User = Profile & {
  readonly registered: boolean
  readonly erased: boolean
  readonly login: Login
  /** The revision, in the login's stream, of the claim behind the e-mail. */
  readonly claimRevision: number
  readonly hash: string
  /** Where the password is good for one log-in: until when, and whether that was. */
  readonly oneTime: { readonly until: string; readonly used: boolean } | undefined
  readonly voids: readonly { readonly login: Login; readonly claimRevision: number }[]
}

export const noProfile: Profile = { name: '', email: '', role: 'customer', epoch: 0 }

const initial: User = {
  ...noProfile,
  registered: false,
  erased: false,
  login: '',
  claimRevision: -1,
  hash: '',
  oneTime: undefined,
  voids: [],
}

const refuse = (reason: UserRejection): Rejected => new Rejected(reason)

/** Whether somebody ended this claim: a void ends the claim that it names and the same user's earlier ones on that e-mail. */
export const isVoid = (user: User, login: Login, claimRevision: number): boolean =>
  user.voids.some((ended) => ended.login === login && ended.claimRevision >= claimRevision)

export const isActive = (user: User): boolean => user.registered && !user.erased

/** Whether the password was good for one log-in, and its time is over (RFC 3339). */
export const isPast = ({ oneTime }: User, now: string): boolean => oneTime !== undefined && now >= oneTime.until

const decide = (command: UserCommand, user: User): readonly UserEvent[] => {
  const { userId, at } = command
  switch (command.type) {
    case 'Register': {
      if (user.registered || user.erased) throw refuse('UserExists')
      if (isVoid(user, command.login, command.claimRevision)) throw refuse('EmailTaken')
      const { name, email, login, claimRevision, hash } = command
      return [
        { type: 'UserRegistered', data: { userId, name, email, login, claimRevision, at } },
        { type: 'PasswordSet', data: { userId, hash, at } },
      ]
    }
    case 'Edit':
      if (!isActive(user)) throw refuse('UserNotFound')
      return edited(command, user)
    case 'VoidClaim': {
      const { login, claimRevision } = command
      return isVoid(user, login, claimRevision) ? [] : [{ type: 'EmailClaimVoided', data: { userId, login, claimRevision, at } }]
    }
    case 'GrantRole':
      if (!isActive(user)) throw refuse('UserNotFound')
      return user.role === command.role ? [] : [{ type: 'RoleGranted', data: { userId, role: command.role, at } }]
    case 'ResetPassword': {
      if (!isActive(user)) throw refuse('UserNotFound')
      const { hash, oneTimeUntil } = command
      return [{ type: 'PasswordSet', data: { userId, hash, oneTimeUntil, at } }]
    }
    case 'UseOneTimePassword':
      if (!isActive(user)) throw refuse('UserNotFound')
      if (!user.oneTime || user.oneTime.used || isPast(user, at)) throw refuse('WrongPassword')
      return [{ type: 'OneTimePasswordUsed', data: { userId, at } }]
    case 'RehashPassword':
      if (!isActive(user)) throw refuse('UserNotFound')
      return user.hash === command.was ? [{ type: 'PasswordRehashed', data: { userId, hash: command.hash, at } }] : []
    case 'SignOut':
      if (!isActive(user)) throw refuse('UserNotFound')
      return [{ type: 'SignedOut', data: { userId, at } }]
  }
}

const edited = ({ userId, name, email, hash, at }: UserCommand & { type: 'Edit' }, user: User): readonly UserEvent[] => {
  const events: UserEvent[] = []
  if (name !== undefined && name !== user.name) events.push({ type: 'UserRenamed', data: { userId, name, at } })
  if (email) {
    if (isVoid(user, email.login, email.claimRevision)) throw refuse('EmailTaken')
    events.push({ type: 'EmailChanged', data: { userId, ...email, at } })
  }
  if (hash !== undefined) events.push({ type: 'PasswordSet', data: { userId, hash, at } })
  return events
}

/** The profile after the event: the read model folds with it as well. */
export const evolveProfile = (profile: Profile, event: UserEvent): Profile => {
  const { name, email, role, epoch } = profile
  switch (event.type) {
    case 'UserRegistered':
      return { name: event.data.name, email: event.data.email, role, epoch }
    case 'PasswordSet':
    case 'SignedOut':
      return { name, email, role, epoch: epoch + 1 }
    case 'UserRenamed':
      return { name: event.data.name, email, role, epoch }
    case 'EmailChanged':
      return { name, email: event.data.email, role, epoch }
    case 'RoleGranted':
      return { name, email, role: event.data.role, epoch: epoch + 1 }
    case 'UserErased':
      return { ...noProfile, epoch: epoch + 1 }
    default:
      return profile
  }
}

const evolve = (user: User, event: UserEvent): User => {
  const next = { ...user, ...evolveProfile(user, event) }
  switch (event.type) {
    case 'UserRegistered':
      return { ...next, registered: true, login: event.data.login, claimRevision: event.data.claimRevision }
    case 'PasswordSet': {
      const { hash, oneTimeUntil } = event.data
      return { ...next, hash, oneTime: oneTimeUntil === undefined ? undefined : { until: oneTimeUntil, used: false } }
    }
    case 'PasswordRehashed':
      return { ...next, hash: event.data.hash }
    case 'OneTimePasswordUsed':
      return { ...next, oneTime: user.oneTime && { ...user.oneTime, used: true } }
    case 'EmailChanged':
      return { ...next, login: event.data.login, claimRevision: event.data.claimRevision }
    case 'EmailClaimVoided': {
      const { login, claimRevision } = event.data
      return { ...next, voids: [...user.voids, { login, claimRevision }] }
    }
    case 'UserErased':
      return { ...initial, registered: user.registered, erased: true, epoch: next.epoch }
    default:
      return next
  }
}

/** What each event means, and its fields, to somebody who reads the history. */
export const userDescriptions: Descriptions<UserEvent> = {
  UserRegistered: {
    means: 'somebody becomes a user',
    fields: {
      userId,
      name: personal(text("the user's name")),
      email: personal(text("the user's e-mail address")),
      login: loginId,
      claimRevision,
    },
  },
  PasswordSet: {
    means: 'a user has a new password',
    secret: true,
    fields: {
      userId,
      hash: text("the password's hash"),
      oneTimeUntil: text('until when it is good for one log-in, where it was given by an operator'),
    },
  },
  PasswordRehashed: {
    means: "a user's password is kept under another hash",
    secret: true,
    fields: { userId, hash: text("the password's hash") },
  },
  OneTimePasswordUsed: { means: 'a user has logged in with the password that an operator gave', fields: { userId } },
  UserRenamed: { means: 'a user has another name', fields: { userId, name: personal(text('the new name')) } },
  EmailChanged: {
    means: 'a user has another e-mail address',
    fields: { userId, email: personal(text('the new e-mail address')), login: loginId, claimRevision },
  },
  EmailClaimVoided: {
    means: 'a claim on an e-mail address that came to nothing is ended',
    fields: { userId, login: loginId, claimRevision },
  },
  RoleGranted: { means: 'a user is given a role', fields: { userId, role: text('customer, analyst or staff') } },
  SignedOut: { means: "a user's tokens are ended", fields: { userId } },
  UserErased: { means: 'a user is erased: their personal data is gone', fields: { userId } },
}

export const user: Decider<User, UserCommand, UserEvent> = {
  category: 'user',
  initial,
  decide,
  evolve,
  says: {
    UserRegistered: 'accepted',
    PasswordSet: 'accepted',
    PasswordRehashed: 'nothing',
    OneTimePasswordUsed: 'nothing',
    UserRenamed: 'accepted',
    EmailChanged: 'accepted',
    EmailClaimVoided: 'nothing',
    RoleGranted: 'accepted',
    SignedOut: 'accepted',
    UserErased: 'accepted',
  },
}
