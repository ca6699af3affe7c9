import type { DomainEvent } from '../domain/decider.js'
import type { RecordedEvent } from '../eventstore/store.js'
import { upcast } from '../eventstore/upcast.js'
import { describe } from '../projections/engine/fold.js'
import { type AnyProjection, idOfStream, inCategory } from '../projections/projection.js'
import type { RowChange } from './diff.js'
import { type AnalystFile, functionOf } from './engine/analyst-file.js'
import { differences, masked, personalColumns } from './engine/changes.js'
import { justAfter, laterThan } from './engine/moment.js'
import type { Place } from './engine/range.js'
import { type HistorySource, recordedEvents } from './engine/read.js'

type Row = Record<string, unknown>

/** A projection's fold as it might be; `today` is the one that there is. */
export type ChangedFold = {
  readonly file: AnalystFile
  readonly evolve: (row: Row | undefined, event: DomainEvent, today: AnyProjection['evolve']) => Row | undefined
}

/** A stream that would be folded no further: why, and on which event. */
export type WouldPark = { readonly stream: string; readonly error: string }

export type WhatIf = {
  readonly projection: string
  /** Rows as they are, and as they would be. */
  readonly rows: number
  readonly rowsThen: number
  readonly same: number
  readonly made: number
  readonly changed: number
  readonly gone: number
  /** In how many of the changed rows each column would be another. */
  readonly columns: Readonly<Record<string, number>>
  /** In the order of their ids: `before` is as it is, `after` as it would be. */
  readonly differences: readonly RowChange[]
  readonly parked: readonly WouldPark[]
}

export type WhatIfOptions = {
  /** Left out: now. */
  readonly asOf?: Place | undefined
  readonly personal?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * The fold that a file exports: as `evolve`, or as a projection, such as a changed copy of one of `src/projections`. Throws
 * `UnusableFile`.
 */
export const changedFoldOf = (file: AnalystFile, { category }: Pick<AnyProjection, 'category'>): ChangedFold => {
  const isOurs = (one: unknown): one is AnyProjection =>
    typeof one === 'object' && one !== null && 'category' in one && one.category === category && 'evolve' in one
  const whole = Object.values(file.exports).find(isOurs)
  const exports = whole ? { evolve: whole.evolve } : file.exports
  const evolve = functionOf<ChangedFold['evolve']>({ ...file, exports }, 'evolve')
  return { file, evolve }
}

/**
 * Folds the history with today's projection and with a changed one, side by side, and compares the rows. Nothing is written; the rows of
 * both are held in memory. Throws `StoreUnavailable`, and the signal's reason where it aborts.
 */
export const whatIf = async (
  source: HistorySource,
  projection: AnyProjection,
  fold: ChangedFold,
  { asOf, personal = false, signal }: WhatIfOptions = {},
): Promise<WhatIf> => {
  const isLater = asOf ? laterThan(asOf) : () => false
  const pairs = new Map<string, Pair>()
  // That somebody was erased may be said later.
  const range = asOf && !personal ? { to: justAfter(asOf) } : {}
  for await (const events of recordedEvents(source, { wanted: inCategory(projection.category), range, signal })) {
    for (const event of events) {
      const pair = pairs.get(event.streamId) ?? newPair()
      pairs.set(event.streamId, pair)
      if (event.type === 'UserErased') pair.erased = true
      pair.ended ||= isLater(event)
      if (!pair.ended) step(pair, projection, fold, event)
    }
    signal?.throwIfAborted()
  }
  signal?.throwIfAborted()
  return compared(projection, pairs, personal)
}

/** The rows of one stream, each as far as its fold has come. */
type Pair = {
  now: Row | undefined
  changed: Row | undefined
  nowParked: boolean
  changedParked: string | undefined
  ended: boolean
  erased: boolean
}

const newPair = (): Pair => ({
  now: undefined,
  changed: undefined,
  nowParked: false,
  changedParked: undefined,
  ended: false,
  erased: false,
})

const step = (pair: Pair, { evolve }: AnyProjection, fold: ChangedFold, event: RecordedEvent): void => {
  const { type, metadata } = event
  const shown = { type, data: upcast(type, event.data, metadata.schema) } as DomainEvent
  if (!pair.nowParked) {
    try {
      pair.now = evolve(pair.now, shown)
    } catch {
      pair.nowParked = true
    }
  }
  if (pair.changedParked !== undefined) return
  try {
    pair.changed = assertRow(fold.evolve(pair.changed, shown, evolve))
  } catch (error) {
    const where = fold.file.placeOf(error) ?? fold.file.name
    pair.changedParked = `${where}: ${describe(error)}, on ${type}, revision ${event.revision}, position ${event.position}`
  }
}

const assertRow = (row: unknown): Row | undefined => {
  if (row === undefined || (typeof row === 'object' && row !== null && !Array.isArray(row))) return row as Row | undefined
  throw new TypeError(`evolve must return a row, or undefined for none, and not ${JSON.stringify(row)}`)
}

const compared = (projection: AnyProjection, pairs: ReadonlyMap<string, Pair>, personal: boolean): WhatIf => {
  const streams = [...pairs].sort(([a], [b]) => (a < b ? -1 : 1))
  const changes = streams.flatMap(([stream, pair]) => changeOf(projection, stream, pair, personal) ?? [])
  const count = (change: RowChange['change']): number => changes.filter((one) => one.change === change).length
  const columns: Record<string, number> = {}
  for (const { change, columns: own } of changes)
    if (change === 'changed') for (const { column } of own) columns[column] = (columns[column] ?? 0) + 1
  const present = (which: 'now' | 'changed'): number => streams.filter(([, pair]) => pair[which]).length
  const [made, changed, gone] = [count('made'), count('changed'), count('gone')]
  return {
    projection: projection.name,
    rows: present('now'),
    rowsThen: present('changed'),
    same: present('now') - changed - gone,
    made,
    changed,
    gone,
    columns,
    differences: changes,
    parked: streams.flatMap(([stream, { changedParked: error }]) => (error === undefined ? [] : [{ stream, error }])),
  }
}

const changeOf = (
  { category }: AnyProjection,
  stream: string,
  { now, changed, erased }: Pair,
  personal: boolean,
): RowChange | undefined => {
  const columns = differences(now, changed)
  if (columns.length === 0 && (now === undefined) === (changed === undefined)) return undefined
  const hidden = personal && !erased ? () => false : hiddenIn(category, now)
  const shown = (value: unknown) => (value === undefined || value === null ? value : masked)
  return {
    id: idOfStream(stream),
    change: now ? (changed ? 'changed' : 'gone') : 'made',
    columns: columns.map((one) =>
      hidden(one.column) ? { column: one.column, before: shown(one.before), after: shown(one.after) } : one,
    ),
  }
}

/** Where some columns tell who somebody is, nobody knows what a new one tells. */
const hiddenIn = (category: string, now: Row | undefined): ((column: string) => boolean) => {
  const known = personalColumns(category)
  return (column) => known.has(column) || (known.size > 0 && now?.[column] === undefined)
}
