import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import type { CommandContext, CommandKey } from '../../commands/engine/context.js'
import { idempotencyKey } from '../../commands/engine/idempotency/command-key.js'
import { Rejected } from '../../domain/decider.js'
import { type Id, parseId } from '../../domain/ids.js'
import { admit, type Caller, namedIn } from './auth.js'
import { checked, readJson } from './body.js'
import { Refusal, unavailable } from './errors.js'
import { revisionsAskedFor } from './etag.js'
import { readAfter, waitForFreshness } from './read-your-writes.js'
import { responder } from './respond.js'
import type { Answer, Call, Route } from './route.js'
import type { Http } from './services.js'

/** The way of a request through its route: who, then what, then the doing of it, then the answer. */
export const serve = (http: Http, route: Route) => {
  const respond = responder(route)
  const query = queryOf(route)
  const waits = { ...http.config, waitFor: http.freshness.waitFor }
  const isFresh = (ctx: Context, caller: Caller | undefined): Promise<boolean> | boolean => {
    const { 'read-after': asked } = ctx.req.headers
    const reader = caller?.userId ?? namedIn(ctx, http.tokens)
    const own = reader && http.ownWrites.of(reader)
    if (asked === undefined && own === undefined) return true
    return waitForFreshness(readAfter(ctx.req.headersDistinct['read-after']), own, waits)
  }
  return async (ctx: Context, id: string | undefined): Promise<void> => {
    const caller = await admit(ctx, route.who, http.tokens, http.sessions)
    ctx.state.caller = caller
    const call = await callOf(http, route, ctx, { caller, id, query })
    const askers = route.askers?.(call.query)
    if (askers) await admit(ctx, askers, http.tokens, http.sessions)
    const fresh = route.kind !== 'read' || (await isFresh(ctx, caller))
    const answer = await (route.kind === 'command' ? route.handle(call) : inTime(route.handle(call), http.config.requestTimeout))
    await noteWrite(http, answer, caller)
    respond(ctx, answer)
    if (!fresh) ctx.append('Warning', '110 - "The answer may be older than what you wrote last"')
    if (answer.parked !== undefined)
      ctx.append('Warning', '199 - "The answer is as it stood before an event that can not be read"')
  }
}

/** Commands have a deadline of their own. Throws `Refusal` 503 after so many milliseconds; what is under way goes on, and is dropped. */
const inTime = <Value>(work: Promise<Value>, milliseconds: number): Promise<Value> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(unavailable('the answer takes too long; ask for less, or try again later')),
      milliseconds,
    )
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })

type Of = {
  readonly caller: Caller | undefined
  /** As the path has it. */
  readonly id: string | undefined
  readonly query: (ctx: Context) => unknown
}

const callOf = async (http: Http, route: Route, ctx: Context, of: Of): Promise<Call> => {
  const { caller } = of
  const body = route.body && checked(route.body, await readJson(ctx))
  const query = of.query(ctx)
  const id = idOf(route, of.id)
  const context = contextOf(http, route, ctx, caller, { id, body })
  return {
    caller,
    id,
    query,
    body,
    named: of.id ?? '',
    address: ctx.ip,
    path: ctx.path,
    header: (name) => ctx.get(name),
    prefers: (...types) => ctx.accepts(...types),
    context,
    gone: () => {
      const gone = new AbortController()
      ctx.res.once('close', () => gone.abort())
      return gone.signal
    },
  }
}

/** Most requests that may have a query have none. */
const queryOf = ({ query }: Route): ((ctx: Context) => unknown) => {
  if (!query) return () => undefined
  const empty = query.safeParse({})
  return (ctx) => (ctx.querystring === '' && empty.success ? empty.data : checked(query, ctx.query))
}

/** Throws `Rejected` for what is no id: there is nothing of that name. A path without `:id` has no use for one. */
const idOf = ({ missing }: Route, named: string | undefined): Id | undefined => {
  if (!missing) return undefined
  const id = parseId(named)
  if (id === undefined) throw new Rejected(missing)
  return id
}

const contextOf = (
  { config, secrets }: Http,
  route: Route,
  ctx: Context,
  caller: Caller | undefined,
  request: { readonly id: Id | undefined; readonly body: unknown },
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
  { id, body }: { readonly id: Id | undefined; readonly body: unknown },
): CommandKey | undefined => {
  if (request.headers['idempotency-key'] === undefined) return undefined
  const [key = '', ...others] = request.headersDistinct['idempotency-key'] ?? []
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

const noteWrite = ({ ownWrites }: Http, { position, writer }: Answer, caller: Caller | undefined): Promise<void> | void => {
  const user = writer ?? caller?.userId
  if (position !== undefined && user) return ownWrites.note(user, position)
}
