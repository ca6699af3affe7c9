import { type AnalystFile, functionOf, optionalFunctionOf } from './engine/analyst-file.js'
import { byPeriod } from './engine/by-period.js'
import type { HistoryEvent } from './engine/event.js'
import { checkFilter, type HistoryFilter } from './engine/filter.js'
import { clockIn, type Every, periodsIn } from './engine/periods.js'
import { type HistorySource, readHistory } from './engine/read.js'
import type { Clock, Period } from './fold.js'

/** What an analyst's file says of a replay. */
export type Fold = {
  readonly file: AnalystFile
  readonly initial: () => unknown
  readonly evolve: (state: unknown, event: HistoryEvent, clock: Clock) => unknown
  /** What a period begins with, of what the one before ended with. */
  readonly nextPeriod: (state: unknown, period: Period) => unknown
  /** What is shown of a state. */
  readonly result: (state: unknown, period: Period | undefined) => unknown
}

export type Replayed = { readonly period?: Period; readonly value: unknown }

export type ReplayOptions = {
  readonly filter: HistoryFilter
  readonly every?: Every | undefined
  /** A time zone. Default UTC. */
  readonly zone?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** Milliseconds since 1970: periods go on until then, unless the filter ends before. */
  readonly now?: number
  /** Told how many events came too late for the period that they are of. */
  readonly onLate?: (events: number) => void
}

/** The analyst's fold threw; the message says what, where in the file, and on which event. */
export class FoldFailed extends Error {
  override readonly name = 'FoldFailed'
}

/** Throws `UnusableFile` where it is no fold. */
export const foldOf = (file: AnalystFile): Fold => {
  const evolve = functionOf<Fold['evolve']>(file, 'evolve')
  const initial = 'initial' in file.exports ? file.exports.initial : functionOf<() => unknown>(file, 'initial')
  return {
    file,
    initial: typeof initial === 'function' ? () => initial() as unknown : () => structuredClone(initial),
    evolve,
    nextPeriod: optionalFunctionOf<Fold['nextPeriod']>(file, 'nextPeriod') ?? ((state) => state),
    result: optionalFunctionOf<Fold['result']>(file, 'result') ?? ((state) => state),
  }
}

/**
 * Folds the events of the filter: answers what the fold makes of them in the end, or with `every` at the end of each period, of which
 * none is left out between the first and the last. Throws `FoldFailed`, `UnknownName` and `StoreUnavailable`, and the signal's reason where it aborts.
 */
export async function* replay(source: HistorySource, fold: Fold, options: ReplayOptions): AsyncGenerator<Replayed, void> {
  const { filter, every, zone = 'UTC', signal } = options
  checkFilter(filter)
  const events = readHistory(source, { ...filter, ...(signal && { signal }) })
  if (every) yield* replayPeriods(fold, events, { ...options, every, zone })
  else {
    const clock = clockIn(zone)
    let state = tried(fold, 'in initial', fold.initial)
    for await (const some of events) {
      for (const event of some) state = stepped(fold, state, event, clock)
      signal?.throwIfAborted()
    }
    signal?.throwIfAborted()
    yield { value: tried(fold, 'in result', () => fold.result(state, undefined)) }
  }
}

type PeriodOptions = ReplayOptions & { readonly every: Every; readonly zone: string }

/** Some hours of a century, by mistake, are more than anybody reads. */
const mostPeriods = 200_000

async function* replayPeriods(
  fold: Fold,
  events: AsyncIterable<readonly HistoryEvent[]>,
  { filter, every, zone, signal, now = Date.now(), onLate }: PeriodOptions,
): AsyncGenerator<Replayed, void> {
  const { of, clock } = periodsIn(zone, every)
  const { from, to } = filter
  let state = tried(fold, 'in initial', fold.initial)
  let period = from && 'time' in from ? of(Date.parse(from.time)) : undefined
  let [late, count] = [0, 0]
  const ended = (of_: Period): Replayed => {
    if (++count > mostPeriods)
      throw new FoldFailed(`there are more than ${mostPeriods} ${every}s: say which with --from and --to`)
    return { period: of_, value: tried(fold, `in result of ${of_.label}`, () => snapshot(fold.result(state, of_))) }
  }
  const next = (of_: Period): Period => {
    const after = of(of_.end)
    state = tried(fold, `in nextPeriod of ${after.label}`, () => fold.nextPeriod(state, after))
    return after
  }
  const onLateOne = (): void => {
    late++
  }
  for await (const { period: own, events: some } of byPeriod(events, { of, onLate: onLateOne })) {
    period ??= own
    while (period.start < own.start) {
      yield ended(period)
      period = next(period)
    }
    for (const event of some) state = stepped(fold, state, event, clock)
    signal?.throwIfAborted()
  }
  signal?.throwIfAborted()
  if (late > 0) onLate?.(late)
  if (!period) return
  // What did not happen since is told too: as long as that is the past.
  const last = Math.min(now, to && 'time' in to ? Date.parse(to.time) - 1 : now)
  for (; period.end <= last; period = next(period)) yield ended(period)
  yield ended(period)
}

/** A fold may change its state instead of making another: what was shown of it stays. */
const snapshot = (value: unknown): unknown => (typeof value === 'object' ? structuredClone(value) : value)

const stepped = (fold: Fold, state: unknown, event: HistoryEvent, clock: Clock): unknown => {
  let next: unknown
  try {
    next = fold.evolve(state, event, clock)
  } catch (error) {
    throw new FoldFailed(`${whereOf(fold, error)}: ${wordsOf(error)}\n  on ${eventName(event)}`, { cause: error })
  }
  if (next === undefined && state !== undefined) {
    throw new FoldFailed(`${fold.file.name}: evolve returned nothing: it must return the state\n  on ${eventName(event)}`)
  }
  return next
}

const tried = <Value>(fold: Fold, where: string, work: () => Value): Value => {
  try {
    return work()
  } catch (error) {
    throw new FoldFailed(`${whereOf(fold, error)}: ${wordsOf(error)}\n  ${where}`, { cause: error })
  }
}

const whereOf = ({ file }: Fold, error: unknown): string => file.placeOf(error) ?? file.name

const wordsOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : `it threw ${String(error)}`

/** For people: which event it is. */
export const eventName = ({
  type,
  stream,
  revision,
  position,
  at,
}: Pick<HistoryEvent, 'type' | 'stream' | 'revision' | 'position' | 'at'>): string =>
  `${type} of ${at}, in ${stream}, revision ${revision}, position ${position}`
