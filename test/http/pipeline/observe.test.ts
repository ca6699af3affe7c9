import { Writable } from 'node:stream'
import { expect } from 'chai'
import Koa from 'koa'
import pino from 'pino'
import { Registry } from 'prom-client'
import { Refusal } from '../../../src/http/pipeline/errors.js'
import { observe } from '../../../src/http/pipeline/observe.js'
import { serializers } from '../../../src/platform/log.js'
import { sendTo } from '../client.js'

describe('the log', () => {
  it('has one line a request: who did what, how it ended, and nothing of what was in it', async () => {
    const lines: Record<string, unknown>[] = []
    const keep = (line: unknown, _: unknown, done: () => void) => {
      lines.push(JSON.parse(String(line)))
      done()
    }
    const app = new Koa()
    app.use(observe(pino({ serializers }, new Writable({ write: keep })), new Registry()))
    app.use((ctx) => {
      ctx.state.route = { path: '/users/:id' }
      ctx.state.caller = { userId: 'ann', role: 'staff', epoch: 1 }
      ctx.status = Number(ctx.query.status)
      const cause = Object.assign(new Error('it broke'), { detail: 'Key (email)=(ann@example.org)' })
      if (ctx.status >= 500) ctx.state.refusal = new Refusal(ctx.status, 'x', { cause })
    })
    const server = app.listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    const headers = { authorization: 'Bearer token', 'x-correlation-id': 'abc' }
    for (const status of [200, 404, 503, 500])
      await sendTo(url, `POST /users/7?status=${status}`, {
        headers,
        body: { email: 'ann@example.org', password: 'correct horse' },
      })
    server.close()
    expect(lines.map(({ level, status }) => [level, status])).to.deep.equal([
      [30, 200],
      [30, 404],
      [40, 503],
      [50, 500],
    ])
    expect(lines[0]).to.include({ method: 'POST', route: '/users/:id', user: 'ann', correlationId: 'abc', msg: 'request' })
    expect(lines[0]).to.have.property('ms').that.is.a('number')
    expect(lines[3]?.err).to.include({ type: 'Error', message: 'it broke' }).and.have.property('stack')
    expect(JSON.stringify(lines)).not.to.match(/example\.org|horse|Bearer|token/)
  })
})
