import type { KeyObject } from 'node:crypto'
import jwt from 'jsonwebtoken'
import type { Context } from 'koa'
import { LRUCache } from 'lru-cache'
import { integerOfId, parseId, type UserId } from '../../domain/ids.js'
import { type Role, roles } from '../../domain/user.js'
import type { Session, Sessions } from '../../queries/sessions.js'
import { Refusal, unavailable } from './errors.js'

/** Who sent the request, by a token that is valid now. */
export type Caller = Session & { readonly userId: UserId }

/** Who may call a route: anybody, whoever has a token, or some roles alone. */
export type Who = 'anyone' | 'user' | readonly Role[]

type Claims = Caller & { readonly position: bigint }

/** `ends`: in milliseconds since 1970. */
type Lasting = { readonly claims: Claims; readonly ends: number }

export type Tokens = {
  /** A token for the user, whose log-in rests on the commit position: an instance that is behind it waits. */
  readonly sign: (caller: Caller, position: bigint) => string
  /** What a token says, if it is one of ours and not past its time. */
  readonly read: (token: string) => Claims | undefined
}

export type TokenSettings = {
  /** Seconds. */
  readonly tokenTtl: number
  /** Who gives tokens out, and for whom: one of another shop under the same secret is none of ours. */
  readonly tokenIssuer: string
  readonly tokenAudience: string
}

/** Tokens whose signature was found right: some 500 bytes each. */
const remembered = 10_000

/**
 * `keys`: the first signs, all are accepted, so that a secret can be changed. A KeyObject verifies 20 times faster than a string, and what
 * was verified is remembered until it ends: what it says of its user is compared at each request all the same.
 */
export const createTokens = (
  keys: readonly KeyObject[],
  { tokenTtl, tokenIssuer: issuer, tokenAudience: audience }: TokenSettings,
  clock: () => number = Date.now,
): Tokens => {
  const verified = new LRUCache<string, Lasting>({ max: remembered })
  return {
    sign: ({ userId, role, epoch }, position) =>
      jwt.sign({ role, epoch, pos: position.toString() }, keys[0]!, {
        algorithm: 'HS256',
        subject: String(integerOfId(userId) ?? userId),
        expiresIn: tokenTtl,
        issuer,
        audience,
      }),
    read: (token) => {
      const before = verified.get(token)
      if (before) return clock() < before.ends ? before.claims : undefined
      for (const key of keys) {
        const payload = verify(token, key, { issuer, audience })
        if (payload === undefined) continue
        const lasting = claimsOf(payload)
        if (lasting) verified.set(token, lasting)
        return lasting?.claims
      }
      return undefined
    },
  }
}

/** What the token holds, if the key has signed it, for us. */
const verify = (token: string, key: KeyObject, ours: { readonly issuer: string; readonly audience: string }): unknown => {
  try {
    return jwt.verify(token, key, { algorithms: ['HS256'], ...ours })
  } catch {
    // Not its own errors alone: it decodes before it verifies, and what is no JSON, or `null`, comes out as a SyntaxError or TypeError.
    return undefined
  }
}

const claimsOf = (payload: unknown): Lasting | undefined => {
  if (typeof payload !== 'object' || payload === null) return undefined
  const { sub, role, epoch, pos, exp } = payload as { readonly [claim: string]: unknown }
  const userId = parseId(sub)
  const named = roles.find((one) => one === role)
  if (
    !userId ||
    !named ||
    typeof epoch !== 'number' ||
    !Number.isSafeInteger(epoch) ||
    typeof pos !== 'string' ||
    !/^\d{1,20}$/.test(pos) ||
    typeof exp !== 'number'
  )
    return undefined
  return { claims: { userId, role: named, epoch, position: BigInt(pos) }, ends: exp * 1_000 }
}

const tokenOf = (ctx: Context): string | undefined =>
  /^Bearer +([^\s,]+) *$/i.exec(ctx.get('authorization'))?.[1] ?? (ctx.get('access_token') || undefined)

/** Milliseconds that what is known here may take to catch up with a token, or with the history. */
const patience = 1_000

const identify = async (ctx: Context, tokens: Tokens, sessions: Sessions): Promise<Caller | undefined> => {
  const token = tokenOf(ctx)
  const claims = token === undefined ? undefined : tokens.read(token)
  if (!claims) return undefined
  const { userId, epoch, position } = claims
  const session = sessions.of(userId)
  // A token of a later epoch than is known here, or of an unknown user, was given by an instance that is ahead.
  if ((!session || session.epoch < epoch) && !(await sessions.reached(position, patience)) && !(await sessions.current(0))) {
    throw unavailable('tokens can not be checked at the moment; try again')
  }
  const current = sessions.of(userId)
  return current?.epoch === epoch ? { userId, ...current } : undefined
}

/** Whom a token of ours names, valid now or not any more: enough to wait for what they wrote, and to let them do nothing. */
export const namedIn = (ctx: Context, tokens: Tokens): UserId | undefined => {
  const token = tokenOf(ctx)
  return token === undefined ? undefined : tokens.read(token)?.userId
}

/**
 * The caller, where the route lets them in. Throws `Refusal`: 401 without a valid token, 403 for another role, 503 where roles are
 * asked for and can't be relied on. A route for anyone looks at no token.
 */
export const admit = async (ctx: Context, who: Who, tokens: Tokens, sessions: Sessions): Promise<Caller | undefined> => {
  if (who === 'anyone') return undefined
  const caller = await identify(ctx, tokens, sessions)
  if (!caller) {
    throw new Refusal(401, 'log in, and send the access_token as Authorization: Bearer or as the header access_token', {
      headers: { 'WWW-Authenticate': 'Bearer' },
    })
  }
  if (who !== 'user' && !(await hasRole(caller, who, sessions))) throw new Refusal(403, `only ${who.join(' and ')} may do this`)
  return caller
}

/** Whether the caller's token would still be taken. */
export const isCurrent = ({ userId, epoch }: Caller, sessions: Sessions): boolean => sessions.of(userId)?.epoch === epoch

/** Whether the caller has one of the roles. Throws `Refusal` 503 where a role taken away elsewhere might not be known here yet. */
export const hasRole = async (caller: Caller, allowed: readonly Role[], sessions: Sessions): Promise<boolean> => {
  if (!allowed.includes(caller.role)) return false
  if (!(await sessions.current(patience))) throw unavailable('roles can not be checked at the moment; try again')
  return true
}
