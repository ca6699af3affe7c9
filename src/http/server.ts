import cors from '@koa/cors'
import { Router, type RouterContext } from '@koa/router'
import Koa, { type Context, type Next } from 'koa'
import helmet from 'koa-helmet'
import { clientOf, networkOf, trustIn } from '../platform/addresses.js'
import { createTokens } from './pipeline/auth.js'
import { answerError, Refusal, refusalOf } from './pipeline/errors.js'
import { createFlows } from './pipeline/flows.js'
import { observe } from './pipeline/observe.js'
import { createLimits } from './pipeline/rate-limits.js'
import { createOwnWrites } from './pipeline/read-your-writes.js'
import type { Route } from './pipeline/route.js'
import { serve } from './pipeline/serve.js'
import type { Http, HttpDeps } from './pipeline/services.js'
import { cartRoutes } from './routes/cart.js'
import { historyRoutes } from './routes/history.js'
import { historySqlRoutes } from './routes/history-sql.js'
import { orderRoutes } from './routes/order.js'
import { productRoutes } from './routes/product.js'
import { systemRoutes } from './routes/system.js'
import { topicRoutes } from './routes/topic.js'
import { userRoutes } from './routes/user.js'

/** The whole HTTP layer as a Koa application; whoever calls it listens, and drains. */
export const createHttp = (deps: HttpDeps): Koa => {
  const http: Http = {
    ...deps,
    tokens: createTokens(deps.secrets.jwt, deps.config),
    limits: createLimits(deps.config, deps.limiter),
    ownWrites: deps.ownWrites ?? createOwnWrites(),
    flows: createFlows(deps.sessions, deps.config.maxStreams, deps.ending),
  }
  const shop = [
    ...userRoutes(http),
    ...productRoutes(http),
    ...cartRoutes(http),
    ...orderRoutes(http),
    ...topicRoutes(http),
    ...historyRoutes(http),
    ...historySqlRoutes(http),
  ]
  const app = new Koa()
  // What breaks once an answer has begun: mostly a client that has left.
  app.on('error', (error: Error) => deps.log.debug({ err: error }, 'an answer broke off'))
  app.use(addressed(deps.config.trustedProxies))
  app.use(observe(deps.log, deps.registry))
  app.use(errors)
  // Whether TLS stands in front is not for us to say: a page must not ask its browser for addresses that nobody serves.
  app.use(
    helmet({
      strictTransportSecurity: false,
      contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
      // Of browsers and plugins that are gone.
      xXssProtection: false,
      xDownloadOptions: false,
      xPermittedCrossDomainPolicies: false,
    }),
  )
  const { corsOrigins } = deps.config
  if (corsOrigins.length > 0) app.use(cors({ ...corsSettings, origin: (ctx) => allowed(corsOrigins, ctx.get('origin')) }))
  app.use(readable)
  app.use(routerOf(http, [...shop, ...systemRoutes(http, shop)]).routes())
  app.use(async (ctx) => {
    await limit(http, ctx)
    unknown(ctx)
  })
  return app
}

/** Puts into `ctx.ip` what a client is counted by. */
const addressed = (trustedProxies: readonly string[]) => {
  const trusts = trustIn(trustedProxies)
  return (ctx: Context, next: Next): Promise<void> => {
    const peer = ctx.req.socket.remoteAddress ?? ''
    ctx.request.ip = networkOf(clientOf(trusts, peer, ctx.get('x-forwarded-for')))
    return next()
  }
}

const corsSettings = {
  allowMethods: 'GET,HEAD,PUT,POST,DELETE',
  allowHeaders:
    'Authorization,access_token,Content-Type,Idempotency-Key,If-Match,If-None-Match,Last-Event-ID,Read-After,X-Correlation-Id',
  exposeHeaders: 'Commit-Position,ETag,Link,Retry-After,Warning,X-Correlation-Id',
  maxAge: 600,
}

const allowed = (origins: readonly string[], origin: string): string => (origins.includes(origin) ? origin : '')

const errors = async (ctx: Context, next: Next): Promise<void> => {
  try {
    await next()
  } catch (error) {
    const route: Route | undefined = ctx.state.route
    const refusal = refusalOf(error, route?.says)
    ctx.state.refusal = refusal
    answerError(ctx, refusal, route?.dialect ?? 'plain')
  }
}

/** Those who watch the process ask often, and must not be turned away when it is busy. */
const unlimited = /^\/(health\/|metrics$)/

const limit = ({ limits }: Http, ctx: Context): Promise<void> | void => {
  if (!unlimited.test(ctx.path)) return limits.request(ctx.ip)
}

type Handler = (ctx: Context, id: string | undefined) => Promise<void> | void

/** A path's routes by their methods, each with what serves it. */
type PathRoutes = {
  readonly methods: ReadonlyMap<string, readonly [Route, Handler]>
  readonly otherwise: readonly [Route, Handler]
}

/**
 * Each path once, with its methods: the router tries one path after the other. One without parameters comes before one with, so that
 * `/orders/new` is no order's. To the letter: case and a slash at the end count.
 */
const routerOf = (http: Http, routes: readonly Route[]): Router => {
  const router = new Router({ sensitive: true, strict: true })
  const byPath = new Map<string, Route[]>()
  for (const route of routes) byPath.set(route.path, [...(byPath.get(route.path) ?? []), route])
  const literalFirst = [...byPath].sort(([a], [b]) => Number(a.includes(':')) - Number(b.includes(':')))
  for (const [path, ofPath] of literalFirst) router.all(path, dispatch(http, placeOf(http, ofPath)))
  return router
}

/** The last of the ways of a request: to the route that its method names. */
const dispatch =
  (http: Http, { methods, otherwise }: PathRoutes) =>
  async (ctx: RouterContext): Promise<void> => {
    const [route, handler] = methods.get(ctx.method) ?? otherwise
    // From here on errors speak the route's dialect, and a command's answers rest on what it will read and write: until then on nothing.
    ctx.state.route = route
    if (route.kind === 'command' && route.method === ctx.method) ctx.set('Commit-Position', '0')
    const limited = limit(http, ctx)
    if (limited !== undefined) await limited
    await handler(ctx, ctx.params.id ?? ctx.params.stream)
  }

const placeOf = (http: Http, routes: readonly Route[]): PathRoutes => {
  const methods = new Map<string, readonly [Route, Handler]>()
  for (const route of routes) {
    const served = [route, serve(http, route)] as const
    methods.set(route.method, served)
    if (route.method === 'GET') methods.set('HEAD', served)
  }
  return { methods, otherwise: [routes[0]!, otherMethod(routes)] }
}

const otherMethod = (routes: readonly Route[]) => {
  const methods = routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
  const allow = [...methods, 'OPTIONS'].join(', ')
  return (ctx: Context): void => {
    if (ctx.method !== 'OPTIONS') throw new Refusal(405, `use ${methods.join(' or ')} here`, { headers: { Allow: allow } })
    ctx.set('Allow', allow)
    ctx.status = 204
  }
}

/** Node passes request targets on as they came, and not each can be read as one. */
const readable = (ctx: Context, next: Next): Promise<void> => {
  if (!hasPath(ctx)) throw new Refusal(400, 'the request has no path that can be read')
  return next()
}

const hasPath = (ctx: Context): boolean => {
  try {
    return ctx.path !== ''
  } catch {
    return false
  }
}

const unknown = (ctx: Context): void => {
  try {
    decodeURIComponent(ctx.path)
  } catch (error) {
    throw new Refusal(400, 'the path is not valid percent-encoded UTF-8', { cause: error })
  }
  throw new Refusal(404, 'there is no such route; see /docs')
}
