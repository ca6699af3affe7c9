import { Router } from '@koa/router'
import Koa, { type Context, type Next } from 'koa'
import helmet from 'koa-helmet'
import { createTokens } from './pipeline/auth.js'
import { answerError, Refusal, refusalOf } from './pipeline/errors.js'
import { observe } from './pipeline/observe.js'
import { createLimits } from './pipeline/rate-limits.js'
import { createOwnWrites } from './pipeline/read-your-writes.js'
import type { Route } from './pipeline/route.js'
import { serve } from './pipeline/serve.js'
import type { Http, HttpDeps } from './pipeline/services.js'
import { cartRoutes } from './routes/cart.js'
import { orderRoutes } from './routes/order.js'
import { productRoutes } from './routes/product.js'
import { systemRoutes } from './routes/system.js'
import { topicRoutes } from './routes/topic.js'
import { userRoutes } from './routes/user.js'

/** The whole HTTP layer as a Koa application; whoever calls it listens, and drains. */
export const createHttp = (deps: HttpDeps): Koa => {
  const http: Http = {
    ...deps,
    tokens: createTokens(deps.secrets.jwt, deps.config.tokenTtl),
    limits: createLimits(deps.config, deps.limiter),
    ownWrites: deps.ownWrites ?? createOwnWrites(),
  }
  deps.sessions.tell(deps.commands.keys.saw)
  const shop = [...userRoutes(http), ...productRoutes(http), ...cartRoutes(http), ...orderRoutes(http), ...topicRoutes(http)]
  const app = new Koa()
  // What breaks once an answer has begun: mostly a client that has left.
  app.on('error', (error: Error) => deps.log.debug({ err: error }, 'an answer broke off'))
  app.use(observe(deps.log, deps.registry))
  app.use(errors)
  // Whether TLS stands in front is not for us to say: a page must not ask its browser for addresses that nobody serves.
  app.use(helmet({ strictTransportSecurity: false, contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } }))
  app.use(readable)
  app.use(routerOf(http, [...shop, ...systemRoutes(http, shop)]).routes())
  app.use(limited(http))
  app.use(unknown)
  return app
}

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

const limited =
  ({ limits }: Http) =>
  async (ctx: Context, next: Next): Promise<void> => {
    if (!unlimited.test(ctx.path)) await limits.request(ctx.ip)
    return next()
  }

/** Each path with its methods; a path without parameters comes before one with, so that `/orders/new` is no order's. */
const routerOf = (http: Http, routes: readonly Route[]): Router => {
  const router = new Router({ sensitive: true, strict: true })
  const paths = new Map<string, Route[]>()
  for (const route of routes) paths.set(route.path, [...(paths.get(route.path) ?? []), route])
  const literalFirst = [...paths].sort(([a], [b]) => Number(a.includes(':')) - Number(b.includes(':')))
  for (const [path, ofPath] of literalFirst) {
    for (const route of ofPath) router.register(path, [route.method], [known(route), limited(http), serve(http, route)])
    router.all(path, known(ofPath[0]!), limited(http), otherMethod(ofPath))
  }
  return router
}

/** From here on errors speak the route's dialect, and a command's answers rest on what it will read and write: until then on nothing. */
const known =
  (route: Route) =>
  (ctx: Context, next: Next): Promise<void> => {
    ctx.state.route = route
    if (route.kind === 'command' && route.method === ctx.method) ctx.set('Commit-Position', '0')
    return next()
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
