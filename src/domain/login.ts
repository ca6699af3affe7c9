import type { Decider } from './decider.js'
import type { UserId } from './ids.js'

/** A `login-<HMAC of the e-mail>` stream: who claims this e-mail. Whether a claim counts, the claimant's own stream says. */
export type LoginEvent =
  | { type: 'EmailClaimed'; data: { login: Login; userId: UserId; at: string } }
  | { type: 'EmailReleased'; data: { login: Login; userId: UserId; at: string } }

export type LoginCommand =
  | { type: 'ClaimEmail'; login: Login; userId: UserId; at: string }
  | { type: 'ReleaseEmail'; login: Login; userId: UserId; at: string }

/** The HMAC of an e-mail under the installation's key, in hex: it can't be guessed back. */
export type Login = string

export type Claims = {
  /** The newest claim, unless it was released. */
  readonly claim: Claim | undefined
}

export type Claim = { readonly userId: UserId; readonly revision: number; readonly at: string }

const decide = (command: LoginCommand): readonly LoginEvent[] => {
  const { login, userId, at } = command
  switch (command.type) {
    case 'ClaimEmail':
      return [{ type: 'EmailClaimed', data: { login, userId, at } }]
    case 'ReleaseEmail':
      return [{ type: 'EmailReleased', data: { login, userId, at } }]
  }
}

const evolve = (_: Claims, event: LoginEvent, revision: number): Claims => {
  switch (event.type) {
    case 'EmailClaimed':
      return { claim: { userId: event.data.userId, revision, at: event.data.at } }
    case 'EmailReleased':
      return { claim: undefined }
  }
}

export const login: Decider<Claims, LoginCommand, LoginEvent> = {
  category: 'login',
  initial: { claim: undefined },
  decide,
  evolve,
  accepts: () => false,
}
