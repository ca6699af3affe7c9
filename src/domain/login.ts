import { type Decider, Rejected } from './decider.js'
import { type Descriptions, loginId, userId } from './description.js'
import type { UserId } from './ids.js'

/** A `login-<HMAC of the e-mail>` stream: who claims this e-mail. Whether a claim counts, the claimant's own stream says. */
export type LoginEvent =
  | { type: 'EmailClaimed'; data: { login: Login; userId: UserId; at: string } }
  | { type: 'EmailReleased'; data: { login: Login; userId: UserId; at: string } }

export type LoginCommand =
  /** `ended`: the revision of another's claim that counts no longer, as that user's stream says; without it another's claim stands. */
  | { type: 'ClaimEmail'; login: Login; userId: UserId; ended?: number; at: string }
  /** Gives up the user's claim of this revision; whoever has claimed since keeps theirs. */
  | { type: 'ReleaseEmail'; login: Login; userId: UserId; claimRevision: number; at: string }

export type LoginRejection = 'EmailTaken'

/** The HMAC of an e-mail under the installation's key, in hex: it can't be guessed back. */
export type Login = string

export type Claims = {
  /** The newest claim, unless it was released. */
  readonly claim: Claim | undefined
}

export type Claim = { readonly userId: UserId; readonly revision: number; readonly at: string }

const refuse = (reason: LoginRejection): Rejected => new Rejected(reason)

const decide = (command: LoginCommand, { claim }: Claims): readonly LoginEvent[] => {
  const { login, userId, at } = command
  switch (command.type) {
    case 'ClaimEmail':
      if (claim && claim.userId !== userId && claim.revision !== command.ended) throw refuse('EmailTaken')
      return [{ type: 'EmailClaimed', data: { login, userId, at } }]
    case 'ReleaseEmail':
      if (claim?.userId !== userId || claim.revision !== command.claimRevision) return []
      return [{ type: 'EmailReleased', data: { login, userId, at } }]
  }
}

const evolve = (claims: Claims, event: LoginEvent, revision: number): Claims => {
  switch (event.type) {
    case 'EmailClaimed':
      return { claim: { userId: event.data.userId, revision, at: event.data.at } }
    case 'EmailReleased':
      return { claim: undefined }
    default:
      return claims
  }
}

/** What each event means, and its fields, to somebody who reads the history. */
export const loginDescriptions: Descriptions<LoginEvent> = {
  EmailClaimed: { means: 'a user claims an e-mail address', fields: { login: loginId, userId } },
  EmailReleased: { means: 'a user gives an e-mail address up', fields: { login: loginId, userId } },
}

export const login: Decider<Claims, LoginCommand, LoginEvent> = {
  category: 'login',
  initial: { claim: undefined },
  decide,
  evolve,
  says: { EmailClaimed: 'nothing', EmailReleased: 'nothing' },
}
