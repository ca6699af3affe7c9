import type { RecordedEvent, Store } from '../eventstore/store.js'
import { projections } from '../projections/all.js'
import type { AnyProjection } from '../projections/projection.js'
import { type Cause, type ColumnChange, maskChanges, tracked } from './engine/changes.js'
import { laterInStream, type Moment } from './engine/moment.js'
import { unknownName } from './engine/names.js'
import { wholeStream, withStreams } from './engine/stream.js'

export type Blamed = ColumnChange & { readonly cause: Cause }

/** Why a row is as it is. */
export type Blame = {
  readonly projection: string
  readonly stream: string
  /** For each column the event that set its present value; with `all` every event that changed it, oldest first. */
  readonly columns: readonly Blamed[]
  /** Why the row is not brought up to date any more. */
  readonly parked?: string
}

export type BlameOptions = {
  /** Names the row: the id that domain and HTTP know it by. */
  readonly id: string
  /** Left out, or none named: all. */
  readonly column?: string | readonly string[] | undefined
  readonly all?: boolean | undefined
  readonly personal?: boolean | undefined
  /** Left out: now. */
  readonly moment?: Moment | undefined
}

/** Throws `UnknownName`. */
export const projectionNamed = (name: string): AnyProjection => {
  const found = projections.find((one) => one.name === name)
  if (!found) {
    throw unknownName(
      'projection',
      name,
      projections.map((one) => one.name),
    )
  }
  return found
}

/**
 * Which events made the columns of a row what they are, by folding its stream; nothing is stored for it. `undefined` where there is
 * no such stream. Throws `UnknownName` for a column that the row never had, and `StoreUnavailable`.
 */
export const blame = async (
  store: Pick<Store, 'url' | 'read'>,
  projection: AnyProjection,
  { id, column, all = false, personal = false, moment }: BlameOptions,
): Promise<Blame | undefined> => {
  const stream = `${projection.category}-${id}`
  const whole = await withStreams(store, (streams) => wholeStream(streams, stream))
  const events = moment ? upTo(whole, moment) : whole
  if (events.length === 0) return undefined
  const { steps, parked } = tracked(projection, events)
  const changes = steps.flatMap(({ cause, changes }) => changes.map((change) => ({ change, cause })))
  const known = [...new Set(changes.map(({ change }) => change.column))]
  const named = [column ?? []].flat()
  for (const one of named) if (known.length > 0 && !known.includes(one)) throw unknownName('column', one, known)
  const asked = known.filter((one) => named.length === 0 || named.includes(one))
  const columns = asked.flatMap((one) => {
    const own = changes.filter(({ change }) => change.column === one)
    return (all ? own : own.slice(-1)).map(({ change, cause }): Blamed => ({ ...change, cause: cause() }))
  })
  return {
    projection: projection.name,
    stream,
    columns: columns.map(maskChanges(projection.category, personal && !isErased(whole))),
    ...(parked !== undefined && { parked }),
  }
}

/** Of who was erased nobody is shown anything, whoever asks, and as of whenever. */
const isErased = (events: readonly RecordedEvent[]): boolean => events.some(({ type }) => type === 'UserErased')

/** None where the stream does not reach the revision. */
const upTo = (events: readonly RecordedEvent[], moment: Moment): readonly RecordedEvent[] => {
  if ('revision' in moment && (events.at(-1)?.revision ?? -1) < moment.revision) return []
  const end = events.findIndex(laterInStream(moment))
  return end < 0 ? events : events.slice(0, end)
}
