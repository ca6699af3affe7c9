import { z } from 'zod'
import type { Role } from '../../domain/user.js'
import { projectionNamed } from '../../history/blame.js'
import { diff, NothingBetween, TooMuch } from '../../history/diff.js'
import { checkFilter, type HistoryFilter, streamNamed } from '../../history/engine/filter.js'
import { UnknownName } from '../../history/engine/names.js'
import { rangeRemarks } from '../../history/engine/range.js'
import { endsOf, readHistory } from '../../history/engine/read.js'
import { followHistory, startOfFollowing } from '../../history/follow.js'
import { pageAfter, pageBefore } from '../../history/page.js'
import { NoStream, pageOfStream } from '../../history/show.js'
import { diffQuery, diffView, viewDiff } from '../api/diff.js'
import { eventsOf, eventsQuery, eventView, filterOf, linesOf, streamQuery, viewEvent } from '../api/history.js'
import { position } from '../api/schemas.js'
import { checked } from '../pipeline/body.js'
import { createDisclosure } from '../pipeline/disclosure.js'
import { Refusal } from '../pipeline/errors.js'
import { type Answer, type Call, nextPage, type Route, route } from '../pipeline/route.js'
import type { Http } from '../pipeline/services.js'

const pageSize = 100

/** What two moments may differ in for an answer: it is made in memory. */
const most = { streams: 10_000, events: 1_000_000 }

type EventsCall = Call<z.output<typeof eventsQuery>, unknown, readonly Role[], undefined>
type DiffCall = Call<z.output<typeof diffQuery>, unknown, readonly Role[], undefined>

/** The past, for analysts and staff: without what is secret, and without personal data unless staff asks for it. */
export const historyRoutes = ({ history, flows, commands, ending }: Http): readonly Route[] => {
  const { source, head } = history
  const disclosed = createDisclosure(commands)

  const page = async ({ query, path }: EventsCall, filter: HistoryFilter, personal: boolean): Promise<Answer> => {
    const { after, before, limit = pageSize } = query
    const isBackwards = before !== undefined
    const { events, cursor } = isBackwards
      ? await pageBefore(source, filter, before, { limit, personal })
      : await pageAfter(source, filter, after, { limit, personal })
    const headers =
      cursor === undefined ? {} : linkTo(path, query, { [isBackwards ? 'before' : 'after']: `${cursor}`, limit: `${limit}` })
    return { view: events.map(viewEvent), headers }
  }

  const lines = async ({ query, caller }: EventsCall, filter: HistoryFilter, personal: boolean): Promise<Answer> => {
    const { after, before, limit } = query
    if (before !== undefined || limit !== undefined)
      throw new Refusal(400, 'lines of JSON go forwards to the end: leave out before and limit')
    // Once it has begun, a stream can't say any more that there is nothing to read from.
    await source.store.last()
    const start = after === undefined ? { filter, after: undefined } : await startOfFollowing(source, filter, after)
    const { signal, stop } = endable()
    const reading = readHistory(source, { ...start.filter, after: start.after, personal, signal })
    return { lines: flows(linesOf(reading, stop), caller) }
  }

  const live = async ({ query, header, caller }: EventsCall, filter: HistoryFilter, personal: boolean): Promise<Answer> => {
    const last = header('last-event-id')
    const after = last === '' ? query.after : checked(position, last, 'Last-Event-ID')
    const start = await startOfFollowing(source, filter, after)
    const { signal, stop } = endable()
    const following = followHistory(source, start.filter, { after: start.after, personal, signal, head })
    return { events: flows(eventsOf(following, stop), caller) }
  }

  const differences = async (call: DiffCall): Promise<Answer> => {
    const { from, to = { time: new Date().toISOString() }, projection, personal: isAsked } = call.query
    const one = projection === undefined ? undefined : projectionNamed(projection)
    const { first, last } = await endsOf(source)
    const remarks = rangeRemarks({ from, to }, first, last).map((remark) => remark.replace(/^--/, ''))
    const personal = await disclosed(call, isAsked, `GET /history/diff of ${one?.name ?? 'everything'}`)
    const projections = await diff(source, from, to, { projection: one, personal, most, signal: ending })
    return { view: viewDiff({ from, to, remarks, projections }) }
  }

  return [
    route({
      method: 'GET',
      path: '/history/diff',
      summary:
        'What changed after one moment and up to another: rows made, changed and gone, by projection and by the request that did it',
      who: ['staff', 'analyst'],
      dialect: 'plain',
      kind: 'other',
      query: diffQuery,
      answers: { status: 200, view: diffView },
      handle: (call) => named(() => differences(call)),
    }),

    route({
      method: 'GET',
      path: '/history/events',
      summary:
        'What happened, in order, page by page after or before a position; as application/x-ndjson all of it, as text/event-stream what comes, after Last-Event-ID',
      who: ['staff', 'analyst'],
      dialect: 'plain',
      kind: 'other',
      query: eventsQuery,
      answers: { status: 200, view: z.array(eventView), events: true, lines: true },
      handle: (call) =>
        named(async () => {
          const filter = filterOf(call.query)
          checkFilter(filter)
          const type = call.prefers('application/json', 'text/event-stream', 'application/x-ndjson')
          const { types = ['everything'], stream } = filter
          const within = stream === undefined ? '' : ` in ${onRecord(stream)}`
          const personal = await disclosed(call, call.query.personal, `GET /history/events of ${types.join(', ')}${within}`)
          if (type === 'text/event-stream') return live(call, filter, personal)
          return type === 'application/x-ndjson' ? lines(call, filter, personal) : page(call, filter, personal)
        }),
    }),

    route({
      method: 'GET',
      path: '/history/streams/:stream',
      summary: 'What happened in one stream, such as product-1, oldest first, from a revision on',
      who: ['staff', 'analyst'],
      dialect: 'plain',
      kind: 'other',
      query: streamQuery,
      answers: { status: 200, view: z.array(eventView), errors: [404] },
      handle: (call) =>
        named(async () => {
          const { named: stream, path } = call
          const { from, limit = pageSize, personal: isAsked } = call.query
          checkFilter({ stream })
          const personal = await disclosed(call, isAsked, `GET /history/streams of ${onRecord(streamNamed(stream))}`)
          const asked = { ...(from !== undefined && { from }), limit, personal }
          const { events, next } = await pageOfStream(source.store, streamNamed(stream), asked)
          return {
            view: events.map(viewEvent),
            ...(next !== undefined && {
              headers: nextPage(path, { from: next, limit, ...(isAsked !== undefined && { personal: `${isAsked}` }) }),
            }),
          }
        }),
    }),
  ]
}

/** A stream is named after an id, from which nobody can be told; whatever else somebody wrote there is not put on record. */
const onRecord = (stream: string): string => (/^[a-z]+-[0-9a-f]*$/.test(stream) ? stream : stream.replace(/-.*/s, '-'))

const endable = () => {
  const ended = new AbortController()
  return { signal: ended.signal, stop: () => ended.abort() }
}

/** A name that there is none of, or too much to answer, is the request's fault, and the answer says which come near. */
const named = async (work: () => Promise<Answer>): Promise<Answer> => {
  try {
    return await work()
  } catch (error) {
    if (error instanceof NoStream) throw new Refusal(404, error.message, { cause: error })
    if (error instanceof UnknownName || error instanceof TooMuch || error instanceof NothingBetween)
      throw new Refusal(400, error.message, { cause: error })
    throw error
  }
}

/** The same request, going on in its direction (RFC 8288). */
const linkTo = (path: string, query: z.output<typeof eventsQuery>, more: { readonly [name: string]: string }) => {
  const { type, stream, actor, correlation, from, to, personal } = query
  const place = (one: typeof from) => one && ('position' in one ? `${one.position}` : one.time)
  const kept = {
    type: type?.join(),
    stream,
    actor,
    correlation,
    from: place(from),
    to: place(to),
    ...(personal && { personal: 'true' }),
    ...more,
  }
  const parameters = new URLSearchParams(
    Object.entries(kept).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
  return { Link: `<${path}?${parameters}>; rel="next"` }
}
