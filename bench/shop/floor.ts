/** The floor: a Koa application that answers without a thought, in as many processes as there are cores. What any route costs at least. */
import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'
import { Router } from '@koa/router'
import Koa from 'koa'

if (cluster.isPrimary) {
  for (let i = 0; i < availableParallelism(); i++) cluster.fork()
} else {
  const app = new Koa()
  const router = new Router()
  router.get('/', (ctx) => {
    ctx.body = { msg: 'hello' }
  })
  app.use(router.routes())
  createServer(app.callback()).listen(Number(process.env.PORT), '127.0.0.1')
}
