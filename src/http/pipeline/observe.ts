import { randomUUID } from 'node:crypto'
import type { Context, Next } from 'koa'
import type { Logger } from 'pino'
import { Histogram, type Registry } from 'prom-client'

const correlationId = /^[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}$/
const traceparent = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/**
 * One log line and one measurement for each request: who did what, how it ended and how long it took, and never what was in it.
 * The correlation id is the client's where it is well-formed, else that of its trace, else a new one; the answer names it.
 */
export const observe = (log: Logger, registry: Registry) => {
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to answer a request',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  })

  return async (ctx: Context, next: Next): Promise<void> => {
    const start = performance.now()
    const [, traceId] = traceparent.exec(ctx.get('traceparent')) ?? []
    const asked = ctx.get('x-correlation-id')
    ctx.state.correlationId = correlationId.test(asked) ? asked : (traceId ?? randomUUID())
    if (traceId) ctx.state.traceparent = ctx.get('traceparent')
    ctx.set('X-Correlation-Id', ctx.state.correlationId)
    ctx.vary('Accept')
    await next()
    const { route, caller, refusal } = ctx.state
    const method = ctx.method
    const path = route?.path ?? 'unknown'
    const milliseconds = performance.now() - start
    durations.observe({ method, route: path, status: ctx.status }, milliseconds / 1000)
    const line = { method, route: path, status: ctx.status, ms: Math.round(milliseconds * 10) / 10, user: caller?.userId }
    const level = ctx.status === 500 ? 'error' : ctx.status === 503 ? 'warn' : 'info'
    log[level](
      { ...line, correlationId: ctx.state.correlationId, ...(level !== 'info' && { err: refusal?.cause ?? refusal?.message }) },
      'request',
    )
  }
}
