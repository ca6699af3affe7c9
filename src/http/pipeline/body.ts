import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import rawBody from 'raw-body'
import type { z } from 'zod'
import { Refusal } from './errors.js'

const maxBody = 100 * 1024

/**
 * The JSON of a request's body; an empty object where there is none. Throws `Refusal`: 415 for another type or encoding than JSON in
 * UTF-8, 413 for more than 100 kB, 400 for what is not JSON.
 */
export const readJson = async (ctx: Context): Promise<unknown> => {
  const { 'content-length': length, 'transfer-encoding': transfer } = ctx.req.headers
  if (transfer === undefined && (length === undefined || Number(length) === 0)) return {}
  assertReadable(ctx)
  const bytes = await readBytes(ctx.req, length)
  if (bytes.length === 0) return {}
  if (!isUtf8(bytes)) throw new Refusal(400, 'the body is not valid UTF-8')
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw new Refusal(400, 'the body is not valid JSON', { cause: error })
  }
}

const assertReadable = (ctx: Context): void => {
  const isUtf8Text = /^(utf-?8)?$/i.test(ctx.request.charset)
  if (!ctx.is('application/json') || !isUtf8Text) {
    throw new Refusal(415, 'send the body as application/json in UTF-8', { headers: { Accept: 'application/json' } })
  }
  if (ctx.get('content-encoding').toLowerCase() !== 'identity' && ctx.get('content-encoding') !== '') {
    throw new Refusal(415, 'send the body without Content-Encoding', { headers: { 'Accept-Encoding': 'identity' } })
  }
}

const readBytes = async (request: IncomingMessage, length: string | undefined): Promise<Buffer> => {
  try {
    return await rawBody(request, { limit: maxBody, ...(length !== undefined && { length }) })
  } catch (error) {
    // What is still on its way must be read and dropped, or the connection's next request is never seen.
    request.resume()
    if (isTooLarge(error)) throw new Refusal(413, `the body is larger than ${maxBody} bytes`, { cause: error })
    throw new Refusal(400, 'the body ended too early', { cause: error })
  }
}

const isTooLarge = (error: unknown): boolean => error instanceof Error && 'type' in error && error.type === 'entity.too.large'

/** Checks what a client sent; throws `Refusal` 400 that names each field and what it should be. `what`: the whole, where it has no fields. */
export const checked = <Schema extends z.ZodType>(schema: Schema, input: unknown, what?: string): z.output<Schema> => {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const issues = result.error.issues.slice(0, 5)
  const messages = issues.map(({ path, message }) => {
    if (path.length > 0) return `${path.join('.')}: ${message}`
    return what === undefined ? 'the body must be a JSON object' : `${what}: ${message}`
  })
  throw new Refusal(400, [...new Set(messages)].join('; '))
}
