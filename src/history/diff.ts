import type { RecordedEvent } from '../eventstore/store.js'
import { projections } from '../projections/all.js'
import { describe, evolved, type Folded } from '../projections/engine/fold.js'
import { type AnyProjection, idOfStream, inCategory } from '../projections/projection.js'
import { atOnce } from './engine/at-once.js'
import { type Cause, type ColumnChange, differences, maskChanges, type Step, tracked } from './engine/changes.js'
import { between, laterThan } from './engine/moment.js'
import type { Place } from './engine/range.js'
import { type HistorySource, streamsWithin } from './engine/read.js'
import { type Streams, withStreams } from './engine/stream.js'

export type Change = 'made' | 'changed' | 'gone'

/** What became of a row: as long as there is one, the columns that differ. */
export type RowChange = {
  readonly id: string
  readonly change: Change
  readonly columns: readonly ColumnChange[]
}

/** One request, and what it did to the rows of a projection. Of an event that doesn't say which request it came of, that event alone. */
export type RequestChanges = Pick<Cause, 'at' | 'actor' | 'correlation' | 'command'> & {
  readonly position: bigint
  /** The types of the events that did it. */
  readonly events: readonly string[]
  readonly rows: readonly RowChange[]
}

export type ProjectionDiff = {
  readonly projection: string
  /** Rows that were not there before and are afterwards, that are another, and that are there no more. */
  readonly made: number
  readonly changed: number
  readonly gone: number
  /** In the order in which they began. What was changed and changed back is here, and not in the counts. */
  readonly requests: readonly RequestChanges[]
  /** Streams that were folded no further, because of an event that can't be taken. */
  readonly parked: readonly { readonly stream: string; readonly error: string }[]
}

export type DiffOptions = {
  /** Left out: all. */
  readonly projection?: AnyProjection | undefined
  readonly personal?: boolean | undefined
  /** So many streams, and events in them, at most. Default: any number. */
  readonly most?: { readonly streams: number; readonly events: number } | undefined
  readonly signal?: AbortSignal | undefined
}

/** There is more in between than was asked for at most. */
export class TooMuch extends Error {
  override readonly name = 'TooMuch'
}

/** The moments are the wrong way round. */
export class NothingBetween extends Error {
  override readonly name = 'NothingBetween'
}

// Streams are short, and each read waits for an answer.
const width = 16

/**
 * What changed after one moment and up to another (inclusive): only streams that have events in between are folded. Throws `TooMuch`,
 * `NothingBetween` and `StoreUnavailable`, and the signal's reason where it aborts.
 */
export const diff = async (
  source: HistorySource,
  from: Place,
  to: Place,
  { projection, personal = false, most, signal }: DiffOptions = {},
): Promise<readonly ProjectionDiff[]> => {
  assertInOrder(from, to)
  const asked = projection ? [projection] : projections
  const isOf = asked.map((one) => inCategory(one.category))
  const wanted = (streamId: string): boolean => isOf.some((is) => is(streamId))
  const streams = await streamsWithin(source, between(from, to), { wanted, most, signal })
  if (!streams) {
    throw new TooMuch(
      `more than ${most!.streams} rows, or ${most!.events} events, lie in between: take moments nearer to each other, or one projection, or tillroll history diff`,
    )
  }
  signal?.throwIfAborted()
  const found = asked.map(() => [] as Found[])
  await withStreams(source.store, async (reader) => {
    const fold = async (stream: string): Promise<void> => {
      const i = isOf.findIndex((is) => is(stream))
      found[i]!.push(await foldBetween(reader, asked[i]!, stream, { from, to, personal }))
    }
    for await (const _ of atOnce(streams, width, fold)) signal?.throwIfAborted()
  })
  return asked.map((one, i) => diffOf(one, found[i]!))
}

const assertInOrder = (from: Place, to: Place): void => {
  const [a, b] = 'position' in from && 'position' in to ? [from.position, to.position] : [timeOf(from), timeOf(to)]
  if (a !== undefined && b !== undefined && a > b) throw new NothingBetween('from is after to: swap them')
}

const timeOf = (place: Place): number | undefined => ('time' in place ? Date.parse(place.time) : undefined)

type Found = {
  readonly stream: string
  readonly before: Folded | undefined
  readonly steps: readonly Step[]
  /** Whether personal data may be shown: never that of who was erased. */
  readonly personal: boolean
  readonly parked?: string
}

type Bounds = { readonly from: Place; readonly to: Place; readonly personal: boolean }

const foldBetween = async (streams: Streams, projection: AnyProjection, stream: string, bounds: Bounds): Promise<Found> => {
  const { before, since, personal, parked } = await readBetween(streams, projection, stream, bounds)
  if (parked !== undefined) return { stream, before, steps: [], personal, parked }
  return { stream, before, personal, ...tracked(projection, since, before) }
}

/** The row before, and the events in between. */
const readBetween = async ({ read }: Streams, { evolve }: AnyProjection, stream: string, { from, to, personal }: Bounds) => {
  const [afterFrom, afterTo] = [laterThan(from), laterThan(to)]
  const since: RecordedEvent[] = []
  let before: Folded | undefined
  let parked: string | undefined
  let [ended, erased] = [false, false]
  for await (const events of read(stream)) {
    for (const event of events) {
      erased ||= event.type === 'UserErased'
      ended ||= afterTo(event)
      // That somebody was erased may be said later.
      if (ended && (erased || !personal)) break
      if (ended || parked !== undefined) continue
      if (since.length > 0 || afterFrom(event)) since.push(event)
      else {
        try {
          before = evolved(evolve, before, event)
        } catch (error) {
          parked = describe(error)
        }
      }
    }
    if (ended && (erased || !personal)) break
  }
  return { before, since, parked, personal: personal && !erased }
}

const changeOf = (before: Folded['row'], after: Folded['row']): Change | undefined => {
  if (before && after) return differences(before, after).length > 0 ? 'changed' : undefined
  return before ? 'gone' : after && 'made'
}

const diffOf = (projection: AnyProjection, found: readonly Found[]): ProjectionDiff => {
  const net = found.map(({ before, steps }) => changeOf(before?.row, steps.length > 0 ? steps.at(-1)!.folded.row : before?.row))
  const count = (change: Change): number => net.filter((one) => one === change).length
  return {
    projection: projection.name,
    made: count('made'),
    changed: count('changed'),
    gone: count('gone'),
    requests: requestsOf(projection, found),
    parked: found.flatMap(({ stream, parked }) => (parked === undefined ? [] : [{ stream, error: parked }])),
  }
}

const requestsOf = (projection: AnyProjection, found: readonly Found[]): readonly RequestChanges[] => {
  const groups = new Map<string, { steps: Step[]; rows: RowChange[] }>()
  for (const { stream, before, steps, personal } of found) {
    const mask = maskChanges(projection.category, personal)
    for (const { name, first, own } of byRequest(steps)) {
      const row = first > 0 ? steps[first - 1]!.folded.row : before?.row
      const after = own.at(-1)!.folded.row
      const change = changeOf(row, after)
      if (!change) continue
      const group = groups.get(name) ?? { steps: [], rows: [] }
      groups.set(name, group)
      group.steps.push(...own.filter(({ changes }) => changes.length > 0))
      group.rows.push({ id: idOfStream(stream), change, columns: differences(row, after).map(mask) })
    }
  }
  return [...groups.values()].map(requestOf).sort((a, b) => Number(a.position - b.position))
}

type Run = { readonly name: string; readonly first: number; readonly own: Step[] }

/** A stream's steps, those in a row of one request together. (One that comes back to a stream after another's events counts as another.) */
const byRequest = (steps: readonly Step[]): readonly Run[] => {
  const runs: Run[] = []
  for (const [i, step] of steps.entries()) {
    const { correlation, position } = step.cause()
    const name = correlation ?? `at ${position}`
    const last = runs.at(-1)
    if (last?.name === name) last.own.push(step)
    else runs.push({ name, first: i, own: [step] })
  }
  return runs
}

const requestOf = ({ steps, rows }: { readonly steps: readonly Step[]; readonly rows: readonly RowChange[] }): RequestChanges => {
  const causes = steps.map(({ cause }) => cause()).sort((a, b) => Number(a.position - b.position))
  const { at, actor, correlation, position } = causes[0]!
  const { command } = causes.find((cause) => cause.command !== undefined) ?? causes[0]!
  return { at, actor, correlation, command, position, events: [...new Set(causes.map(({ type }) => type))], rows }
}
