import { isDeepStrictEqual } from 'node:util'
import { catalogue, isSecret, personalFields } from '../../domain/catalogue.js'
import type { RecordedEvent } from '../../eventstore/store.js'
import { describe, evolved, type Folded } from '../../projections/engine/fold.js'
import type { AnyProjection } from '../../projections/projection.js'
import { historyEvent } from './event.js'

/** The event behind a change, without what it says: who, when and on whose request. */
export type Cause = {
  /** `secret` for a type that nobody may see. */
  readonly type: string
  readonly stream: string
  readonly revision: number
  readonly position: bigint
  readonly at: string
  readonly actor: string | undefined
  readonly correlation: string | undefined
  /** The idempotency key's HMAC, where the request had a key. */
  readonly command: string | undefined
}

/** A column that an event changed; `undefined` where there was, or is, no row. */
export type ColumnChange = { readonly column: string; readonly before: unknown; readonly after: unknown }

/** `cause` is made when it is asked for: of a thousand steps, few are shown. */
export type Step = { readonly cause: () => Cause; readonly changes: readonly ColumnChange[]; readonly folded: Folded }

export const causeOf = (event: RecordedEvent): Cause => {
  const { stream, revision, position, at, actor, correlation, type } = historyEvent(event, false)
  const { commandId: command } = event.metadata ?? {}
  return { type: isSecret(type) ? 'secret' : type, stream, revision, position, at, actor, correlation, command }
}

type Row = Folded['row']

/** The columns in which two rows differ, in the rows' order. */
export const differences = (before: Row, after: Row): readonly ColumnChange[] => {
  const columns = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  return [...columns]
    .map((column) => ({ column, before: before?.[column], after: after?.[column] }))
    .filter(({ before: was, after: is }) => was !== is && !isDeepStrictEqual(was, is))
}

/**
 * Folds a stream's events, and says of each what it changed. `parked`: why the fold stopped before the end, as the read model does
 * where an event can't be taken.
 */
export const tracked = (
  { evolve }: AnyProjection,
  events: readonly RecordedEvent[],
  start?: Folded,
): { readonly steps: readonly Step[]; readonly parked?: string } => {
  const steps: Step[] = []
  let before = start
  for (const event of events) {
    if (before && event.revision <= before.revision) continue
    try {
      const folded = evolved(evolve, before, event)
      steps.push({ cause: () => causeOf(event), changes: differences(before?.row, folded.row), folded })
      before = folded
    } catch (error) {
      return { steps, parked: describe(error) }
    }
  }
  return { steps }
}

/** The columns that tell who somebody is: those that have the name of such a field in an event of the category. */
export const personalColumns = (category: string): ReadonlySet<string> => {
  const types = [...catalogue].filter(([, described]) => described.category === category).map(([type]) => type)
  return new Set(types.flatMap(personalFields))
}

export const masked = 'left out'

/** The changes with their personal values left out; that something changed, and when, is told. */
export const maskChanges = (category: string, personal: boolean) => {
  const hidden = personal ? new Set<string>() : personalColumns(category)
  const shown = (value: unknown) => (value === undefined || value === null ? value : masked)
  return <Change extends ColumnChange>(change: Change): Change =>
    hidden.has(change.column) ? { ...change, before: shown(change.before), after: shown(change.after) } : change
}
