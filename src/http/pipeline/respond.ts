import type { Readable } from 'node:stream'
import type { Context } from 'koa'
import { isKnown, tagOf } from './etag.js'
import type { Answer, Route } from './route.js'

/** Writes the answers of a route. What is the same for all of them is made once. */
export const responder = (route: Route) => {
  const { status, type = 'application/json; charset=utf-8' } = route.answers
  const cacheControl = cacheControlOf(route)
  const [before, after] = envelopeOf(route)

  return (ctx: Context, answer: Answer): void => {
    if (answer.position !== undefined) ctx.set('Commit-Position', answer.position.toString())
    const flow = answer.events ?? answer.lines ?? answer.bytes?.flow
    if (flow) {
      if (answer.headers) ctx.set({ ...answer.headers })
      stream(ctx, flow, answer.bytes?.type ?? (answer.events ? 'text/event-stream' : 'application/x-ndjson'))
      return
    }
    const view = answer.rendered?.text ?? answer.text ?? JSON.stringify(answer.view)
    const tag = answer.rendered?.tag ?? etagOf(route, answer, String(view))
    // Asked first: where it can't be answered, the error must not carry the tag of what it isn't.
    const known = tag !== undefined && route.kind === 'read' && isKnown(ctx.get('if-none-match'), tag)
    if (tag) ctx.set('ETag', tag)
    ctx.set('Cache-Control', cacheControl)
    if (answer.headers) ctx.set({ ...answer.headers })
    if (known) {
      ctx.status = 304
      return
    }
    ctx.status = answer.status ?? status
    ctx.set('Content-Type', type)
    ctx.body = typeof view === 'string' ? before + view + after : view
  }
}

const etagOf = ({ kind }: Route, { revision, object }: Answer, view: string): string | undefined => {
  if (kind === 'other' || (kind === 'command' && revision === undefined)) return undefined
  return tagOf(object === undefined ? view : JSON.stringify(object), revision)
}

const stream = (ctx: Context, flow: Readable, type: string): void => {
  ctx.set('Cache-Control', 'no-store')
  ctx.type = type
  ctx.body = flow
}

/** What depends on the caller may be kept by the caller alone, and whatever may be kept is asked for again by its ETag. */
const cacheControlOf = ({ kind, who }: Route): string => {
  if (kind !== 'read') return 'no-store'
  return who === 'anyone' ? 'no-cache' : 'private, no-cache'
}

/** What stands before and after the object, of the orders API's answers. */
const envelopeOf = ({ dialect, answers }: Route): readonly [before: string, after: string] =>
  dialect === 'plain' || answers.view === undefined
    ? ['', '']
    : [
        `{"status":${answers.bodyStatus ?? answers.status},"message":${JSON.stringify(answers.message ?? 'success')},"data":{"data":`,
        '}}',
      ]
