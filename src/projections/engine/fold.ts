import type { DomainEvent } from '../../domain/decider.js'
import { inTodaysShape } from '../../eventstore/upcast.js'
import type { AnyProjection } from '../projection.js'

/** What a fold needs of a recorded event; reads in bulk give no more than this. */
export type FoldEvent = {
  readonly id: string
  readonly type: string
  readonly data: unknown
  readonly metadata: { readonly schema?: number }
  readonly streamId: string
  readonly revision: number
  readonly position: bigint
}

/** A row with what the engine adds. `row` is undefined for a stream that has none. */
export type Folded = {
  readonly streamId: string
  readonly row: Record<string, unknown> | undefined
  readonly revision: number
  readonly position: bigint
}

/** An event that the fold, or the database, can't take: it parks its stream. */
export type Failure = { readonly streamId: string; readonly event: FoldEvent; readonly error: string }

export type FoldResult = { readonly folded: ReadonlyMap<string, Folded>; readonly failures: readonly Failure[] }

/**
 * Folds a batch into rows. An event that its row has already is passed over, so is what follows a failure in its stream; the row then
 * stands as it was before the failing event.
 */
export const foldBatch = (
  { evolve }: AnyProjection,
  stored: ReadonlyMap<string, Folded>,
  events: readonly FoldEvent[],
  isParked: (streamId: string) => boolean,
): FoldResult => {
  const folded = new Map<string, Folded>()
  const failed = new Map<string, Failure>()
  for (const event of events) {
    const { streamId } = event
    if (failed.has(streamId) || isParked(streamId)) continue
    const before = folded.get(streamId) ?? stored.get(streamId)
    if (before && event.revision <= before.revision) continue
    try {
      assertStorable(streamId)
      folded.set(streamId, evolved(evolve, before, event))
    } catch (error) {
      failed.set(streamId, { streamId, event, error: describe(error) })
    }
  }
  return { folded, failures: [...failed.values()] }
}

/** The database has no text with a NUL in it: it can't even be asked for such a row. */
export const isStorable = (streamId: string): boolean => !streamId.includes('\0')

export const assertStorable = (streamId: string): void => {
  if (!isStorable(streamId)) throw new Error('the name of the stream has a NUL in it')
}

export const evolved = (evolve: AnyProjection['evolve'], before: Folded | undefined, event: FoldEvent): Folded => ({
  streamId: event.streamId,
  row: evolve(before?.row, inTodaysShape<DomainEvent>(event)),
  revision: event.revision,
  position: event.position,
})

export const describe = (error: unknown): string =>
  error instanceof Error ? (error.name === 'Error' ? error.message : `${error.name}: ${error.message}`) : String(error)
