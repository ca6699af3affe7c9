import { createHash, createHmac, randomInt } from 'node:crypto'
import { type Id, idOfInteger, makeId } from '../../../domain/ids.js'
import type { CommandKey } from '../context.js'

/**
 * Names a command by its Idempotency-Key: scoped to the user (or the normalised e-mail, where there is no user yet) and the route.
 * `request` is the validated request without passwords, whose values are JSON.
 */
export const idempotencyKey = (secret: Buffer, scope: string, route: string, key: string, request: unknown): CommandKey => ({
  commandId: createHmac('sha256', secret)
    .update(JSON.stringify([scope, route, key]))
    .digest('base64url'),
  requestHash: createHmac('sha256', secret)
    .update(JSON.stringify(sorted(request)))
    .digest('base64url'),
})

/** The same object however its fields were ordered. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)]),
  )
}

/** The id that a create under this key takes: 53 bits of a hash, so that its repeat meets its own stream. */
export const idOfKey = ({ commandId }: CommandKey, salt: number): Id => {
  const bits = createHash('sha256').update(`${commandId}:${salt}`).digest().readBigUInt64BE() & ((1n << 53n) - 1n)
  return idOfInteger(Number(bits || 1n))!
}

/** A new id from the clock (milliseconds since 1970) and 21 random bits. */
export const newId = (now: number): Id => makeId(Math.floor(now / 1000), randomInt(2 ** 21))
