/**
 * The same shop without events: Koa, knex and pg, tables that are changed in place. What `bench/shop` holds ours against.
 * Settings by environment: DATABASE_URL, PORT, JWT_SECRET, BCRYPT_COST, and how it is spread: WORKERS (processes), POOL (connections of each).
 */
import cluster from 'node:cluster'
import { createSecretKey } from 'node:crypto'
import { createServer } from 'node:http'
import { Router } from '@koa/router'
import knexModule from 'knex'
import Koa from 'koa'
import pg from 'pg'
import { pino } from 'pino'
import { errors, logged } from './pipeline.js'
import { cartRoutes } from './routes/cart.js'
import { orderRoutes } from './routes/order.js'
import { productRoutes } from './routes/product.js'
import { userRoutes } from './routes/user.js'
import type { Shop } from './shop.js'
import { createTables } from './tables.js'

const { DATABASE_URL = '', PORT = '0', JWT_SECRET = '', BCRYPT_COST = '12', WORKERS = '2', POOL = '8', LOG = '' } = process.env

const prepare = async (): Promise<void> => {
  const knex = knexModule({ client: 'pg', connection: DATABASE_URL, pool: { min: 0, max: 1 } })
  if (!(await knex.schema.hasTable('order_items'))) await createTables(knex)
  await knex.destroy()
}

const serve = (): void => {
  pg.types.setTypeParser(pg.types.builtins.INT8, Number)
  const shop: Shop = {
    pool: new pg.Pool({ connectionString: DATABASE_URL, max: Number(POOL), min: Number(POOL) }),
    key: createSecretKey(Buffer.from(JWT_SECRET, 'utf8')),
    bcryptCost: Number(BCRYPT_COST),
  }
  const log = pino(
    { base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    pino.destination({ dest: 1, sync: LOG !== 'async', ...(LOG === 'async' && { minLength: 4_096 }) }),
  )
  const router = new Router()
  userRoutes(router, shop)
  productRoutes(router, shop)
  cartRoutes(router, shop)
  orderRoutes(router, shop)
  const app = new Koa()
  app.use(logged(log))
  app.use(errors(log))
  app.use(router.routes())
  const server = createServer(app.callback()).listen(Number(PORT), '127.0.0.1')
  process.once('SIGTERM', () => server.close(() => void shop.pool.end().then(() => process.exit(0))))
}

if (cluster.isPrimary) {
  await prepare()
  if (WORKERS === '1') serve()
  else {
    for (let i = 0; i < Number(WORKERS); i++) cluster.fork()
    process.once('SIGTERM', () => {
      for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGTERM')
      cluster.disconnect(() => process.exit(0))
    })
  }
} else serve()
