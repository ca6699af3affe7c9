import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import jwt from 'jsonwebtoken'
import type { Context, Next } from 'koa'
import type { Logger } from 'pino'
import type { z } from 'zod'
import type { Shop } from './shop.js'

/** What a request is refused with. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** A line for each request, with the fields of ours. */
export const logged =
  (log: Logger) =>
  async (ctx: Context, next: Next): Promise<void> => {
    const start = performance.now()
    const correlationId = ctx.get('x-correlation-id') || randomUUID()
    ctx.set('X-Correlation-Id', correlationId)
    await next()
    const ms = Math.round((performance.now() - start) * 10) / 10
    const { caller } = ctx.state
    log.info({ method: ctx.method, route: ctx._matchedRoute, status: ctx.status, ms, user: caller?.id, correlationId }, 'request')
  }

export const errors =
  (log: Logger) =>
  async (ctx: Context, next: Next): Promise<void> => {
    try {
      await next()
    } catch (error) {
      const refused = error instanceof Refused ? error : new Refused(500, 'something went wrong')
      if (refused.status === 500) log.error({ err: error }, 'a request failed')
      ctx.status = refused.status
      ctx.body = { msg: refused.message }
    }
  }

export type Caller = { readonly id: number; readonly role: string }

/** Who sent the request. Throws `Refused` 401. */
export const callerOf = (ctx: Context, { key }: Shop): Caller => {
  const header = ctx.get('authorization')
  const token = header.startsWith('Bearer ') ? header.slice(7) : ctx.get('access_token')
  try {
    const { sub, role } = jwt.verify(token, key, { algorithms: ['HS256'] }) as jwt.JwtPayload
    const caller = { id: Number(sub), role }
    ctx.state.caller = caller
    return caller
  } catch {
    throw new Refused(401, 'log in')
  }
}

const maxBody = 100_000

/** The body as the schema has it. Throws `Refused` 400 and 413. */
export const bodyOf = async <Schema extends z.ZodType>(ctx: Context, schema: Schema): Promise<z.output<Schema>> => {
  const result = schema.safeParse(parse(await textOf(ctx.req)))
  if (result.success) return result.data
  throw new Refused(400, result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
}

const textOf = (request: IncomingMessage): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (part: string) => {
      text += part
      if (text.length > maxBody) reject(new Refused(413, 'the body is too large'))
    })
    request.once('end', () => resolve(text))
    request.once('error', reject)
  })

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw new Refused(400, 'the body is not valid JSON')
  }
}

/** The envelope of the orders API. */
export const enveloped = (status: number, data: unknown, message = 'success') => ({ status, message, data: { data } })
