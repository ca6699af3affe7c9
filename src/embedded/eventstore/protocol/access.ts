import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http2'
import { codes, type Status } from './framing.js'
import { Refused } from './requests.js'

/** What a call may do. Both throw `Refused`. */
export type Permissions = {
  /** `undefined`: `$all`. */
  readonly assertMayRead: (stream: string | undefined) => void
  readonly assertMayWrite: (stream: string) => void
}

/** Whose call it is, and so what it may do. Throws `Refused` where its credentials are wrong. */
export type Access = (headers: IncomingHttpHeaders) => Permissions

/** The passwords of a node with log-in. */
export type Passwords = { readonly admin: string; readonly ops: string }

const denied: Status = { code: codes.permissionDenied, message: 'Access Denied', trailers: { exception: 'access-denied' } }
const unauthenticated: Status = { code: codes.unauthenticated, message: 'the user or the password is wrong' }

const deny = (): never => {
  throw new Refused(denied)
}
const allow = (): void => undefined

/** A stream of the system, or the metadata of one: their names begin with `$`, and metadata streams' with `$$`. */
const isOfSystem = (stream: string): boolean => /^(\$\$)?\$(?!\$)/.test(stream)

const unlessOfSystem = (stream: string | undefined): void => {
  if (stream === undefined || isOfSystem(stream)) deny()
}

const administrator: Permissions = { assertMayRead: allow, assertMayWrite: allow }
const operator: Permissions = { assertMayRead: allow, assertMayWrite: unlessOfSystem }
/** Of a node with log-in: what an EventStoreDB's default access control list leaves to everyone. */
const stranger: Permissions = { assertMayRead: unlessOfSystem, assertMayWrite: unlessOfSystem }

/**
 * With passwords: `admin` may do everything, `ops` read everything, and who names nobody has the users' streams. Without, nobody is
 * asked who they are, and only who names nobody at all may not write to streams of the system.
 */
export const createAccess = (passwords: Passwords | undefined): Access => {
  if (!passwords) return ({ authorization }) => (authorization === undefined ? operator : administrator)
  const users: readonly (readonly [name: string, password: string, permissions: Permissions])[] = [
    ['admin', passwords.admin, administrator],
    ['ops', passwords.ops, operator],
  ]
  return ({ authorization }) => {
    if (authorization === undefined) return stranger
    for (const [name, password, permissions] of users)
      if (isSame(credentialsOf(authorization), `${name}:${password}`)) return permissions
    throw new Refused(unauthenticated)
  }
}

const credentialsOf = (authorization: string): string => {
  const match = /^Basic ([A-Za-z0-9+/]+=*)$/i.exec(authorization)
  return match ? Buffer.from(match[1]!, 'base64').toString('utf8') : ''
}

const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest()
/** In a time that tells nothing about the password. */
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))
