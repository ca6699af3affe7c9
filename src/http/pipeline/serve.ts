import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { Context } from 'koa'
import type { CommandContext, CommandKey } from '../../commands/engine/context.js'
import { idempotencyKey } from '../../commands/engine/idempotency/command-key.js'
import { Rejected } from '../../domain/decider.js'
import { type Id, parseId, type UserId } from '../../domain/ids.js'
import { admit, type Caller, namedIn } from './auth.js'
import { checked, readJson } from './body.js'
import { Refusal } from './errors.js'
import { isKnown, revisionsAskedFor, tagOf } from './etag.js'
import { becomeFresh, readAfter } from './read-your-writes.js'
import type { Answer, Call, Route } from './route.js'
import type { Http } from './services.js'

/** The way of a request through its route: who, then what, then the doing of it, then the answer. */
export const serve =
  (http: Http, route: Route) =>
  async (ctx: Context): Promise<void> => {
    const caller = await admit(ctx, route.who, http.tokens, http.sessions)
    ctx.state.caller = caller
    const call = await callOf(http, route, ctx, caller)
    const fresh = route.kind !== 'read' || (await isFresh(http, ctx.req, caller?.userId ?? namedIn(ctx, http.tokens)))
    const answer = await route.handle(call)
    await noteWrite(http, answer, caller)
    respond(ctx, route, answer)
    if (!fresh) ctx.append('Warning', '110 - "The answer may be older than what you wrote last"')
    if (answer.parked !== undefined)
      ctx.append('Warning', '199 - "The answer is as it stood before an event that can not be read"')
  }

const callOf = async (http: Http, route: Route, ctx: Context, caller: Caller | undefined): Promise<Call> => {
  const body = route.body && checked(route.body, await readJson(ctx.req))
  const query = route.query && checked(route.query, ctx.query)
  const id = idOf(route, ctx)
  const context = contextOf(http, route, ctx, caller, { id, body })
  return { caller: caller!, id, query, body, address: ctx.ip, path: ctx.path, header: (name) => ctx.get(name), context }
}

/** Throws `Rejected` for what is no id: there is nothing of that name. A path without `:id` has no use for one. */
const idOf = (route: Route, ctx: Context): Id => {
  const id = parseId(ctx.params.id)
  if (id === undefined && route.missing) throw new Rejected(route.missing)
  return id!
}

const contextOf = (
  { config, secrets }: Http,
  route: Route,
  ctx: Context,
  caller: Caller | undefined,
  request: { readonly id: Id; readonly body: unknown },
): CommandContext => {
  const { correlationId, traceparent } = ctx.state
  const context = {
    actor: caller?.userId ?? ('anonymous' as const),
    correlationId,
    ...(traceparent && { traceparent }),
    deadline: performance.now() + config.commandDeadline,
  }
  if (route.kind !== 'command') return context
  const onPosition = positionTeller(ctx)
  const key = keyOf(ctx.req, secrets.idempotency, route, caller, request)
  const ifMatch = revisionsAskedFor(ctx.get('if-match'))
  return { ...context, onPosition, ...(key && { key }), ...(ifMatch !== undefined && { ifMatch }) }
}

/** A refusal rests on what was read as an acceptance does on what was written: what comes after it can ask for that. */
const positionTeller = (ctx: Context) => {
  let highest = 0n
  return (position: bigint): void => {
    if (position <= highest) return
    highest = position
    ctx.set('Commit-Position', position.toString())
  }
}

const keyOf = (
  request: IncomingMessage,
  secret: Buffer,
  { method, path }: Route,
  caller: Caller | undefined,
  { id, body }: { readonly id: Id; readonly body: unknown },
): CommandKey | undefined => {
  const values = request.headersDistinct['idempotency-key']
  if (!values) return undefined
  const [key = '', ...others] = values
  if (others.length > 0 || !/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw new Refusal(400, 'Idempotency-Key must be one value of 1 to 255 printable ASCII characters')
  }
  const fields = body as { readonly [field: string]: unknown } | undefined
  const scope = caller?.userId ?? String(fields?.email)
  return idempotencyKey(secret, scope, `${method} ${path}`, key, { id, ...withoutPasswords(fields ?? {}) })
}

const passwords: ReadonlySet<string> = new Set(['password', 'confirm_password', 'old_password', 'new_password'])

const withoutPasswords = (fields: object): object =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !passwords.has(name)))

const isFresh = ({ config, freshness, ownWrites }: Http, request: IncomingMessage, reader: UserId | undefined) =>
  becomeFresh(readAfter(request.headersDistinct['read-after']), reader && ownWrites.of(reader), {
    ...config,
    ...freshness,
  })

const noteWrite = ({ ownWrites }: Http, { position, writer }: Answer, caller: Caller | undefined): Promise<void> | void => {
  const user = writer ?? caller?.userId
  if (position !== undefined && user) return ownWrites.note(user, position)
}

const respond = (ctx: Context, route: Route, answer: Answer): void => {
  const { status, type = 'application/json; charset=utf-8' } = route.answers
  if (answer.position !== undefined) ctx.set('Commit-Position', answer.position.toString())
  if (answer.events) {
    ctx.set({ ...answer.headers })
    stream(ctx, answer.events)
    return
  }
  const view = answer.rendered?.text ?? answer.text ?? JSON.stringify(answer.view)
  const tag = answer.rendered?.tag ?? etagOf(route, answer, String(view))
  // Asked first: where it can't be answered, the error must not carry the tag of what it isn't.
  const known = tag !== undefined && route.kind === 'read' && isKnown(ctx.get('if-none-match'), tag)
  ctx.set({ ...answer.headers })
  if (tag) ctx.set('ETag', tag)
  ctx.set('Cache-Control', cacheControl(route))
  if (known) {
    ctx.status = 304
    return
  }
  ctx.status = answer.status ?? status
  ctx.type = type
  ctx.body = typeof view === 'string' ? dressed(route, ctx.status, view) : view
}

const etagOf = ({ kind }: Route, { revision, object }: Answer, view: string): string | undefined => {
  if (kind === 'other' || (kind === 'command' && revision === undefined)) return undefined
  return tagOf(object === undefined ? view : JSON.stringify(object), revision)
}

const stream = (ctx: Context, events: Readable): void => {
  ctx.set('Cache-Control', 'no-store')
  ctx.type = 'text/event-stream'
  ctx.body = events
}

/** What depends on the caller may be kept by the caller alone, and whatever may be kept is asked for again by its ETag. */
const cacheControl = ({ kind, who }: Route): string => {
  if (kind !== 'read') return 'no-store'
  return who === 'anyone' ? 'no-cache' : 'private, no-cache'
}

const dressed = ({ dialect, answers }: Route, status: number, view: string): string =>
  dialect === 'plain' || answers.view === undefined
    ? view
    : `{"status":${answers.bodyStatus ?? status},"message":${JSON.stringify(answers.message ?? 'success')},"data":{"data":${view}}}`
