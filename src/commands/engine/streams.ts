import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { DomainEvent } from '../../domain/decider.js'
import {
  type EventMetadata,
  type NewEvent,
  type RecordedEvent,
  type Store,
  StoreUnavailable,
  WrongRevision,
} from '../../eventstore/store.js'
import { schemaOf } from '../../eventstore/upcast.js'
import { booksOf, carriedBy } from './carry-forward.js'
import { assertInTime, backOff, type CommandContext, type CommandKey, Unfinished } from './context.js'
import { type AnyDecider, fold, type Loaded, nothing } from './stream-state.js'

/** Streams as commands see them: folded, cached, appended to in turn. */
export type Streams = {
  /** What this process last knew, without asking the store: good enough to decide an append, and nothing else. */
  readonly cached: <State, Event extends DomainEvent>(decider: AnyDecider<State, Event>, id: string) => Loaded<State> | undefined
  /** As the store has it now. Throws `Unfinished` where it doesn't answer by the deadline. */
  readonly load: <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    id: string,
    context: CommandContext,
  ) => Promise<Loaded<State>>
  /** As it was at a revision that it has. */
  readonly loadAsOf: <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    id: string,
    revision: number,
    context: CommandContext,
  ) => Promise<Loaded<State>>
  /**
   * Appends at the revision of `loaded`. An append whose answer is lost is repeated, the same to the byte, until the deadline: then
   * `Unfinished`. Throws `WrongRevision` on a conflict. `key` is written into the events: they ask, or accept, under it.
   */
  readonly append: <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    id: string,
    loaded: Loaded<State>,
    events: readonly Event[],
    context: CommandContext,
    key?: CommandKey,
  ) => Promise<Loaded<State>>
  /** Runs what works on one stream one after the other inside this process. */
  readonly inTurn: <Result>(decider: { readonly category: string }, id: string, work: () => Promise<Result>) => Promise<Result>
}

/** Events after which a stream with books closes them again. */
const booksEvery = 300
const pageSize = 500

export const nameOf = (decider: { readonly category: string }, id: string): string => `${decider.category}-${id}`

/** `cacheSize`: streams kept folded. `onAccepted`: told the key of each command that an event written here accepts. */
export const createStreams = (
  store: Store,
  cacheSize: number,
  onAccepted: (key: CommandKey) => void = () => undefined,
): Streams => {
  const cache = new LRUCache<string, Loaded<unknown>>({ max: Math.max(1, cacheSize) })
  const turns = new Map<string, Promise<unknown>>()

  const remember = <State>(name: string, loaded: Loaded<State>): Loaded<State> => {
    const known = cache.get(name)
    if (!known || known.revision <= loaded.revision) cache.set(name, loaded)
    return loaded
  }

  const read = async (name: string, options: Parameters<Store['read']>[1], context: CommandContext) => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await store.read(name, { ...options, timeout: remaining(context) })
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        await orUnfinished(backOff(attempt, context), error)
      }
    }
  }

  const cached: Streams['cached'] = (decider, id) => cache.get(nameOf(decider, id)) as never

  const load: Streams['load'] = async (decider, id, context) => {
    const loaded = await loadNewest(decider, id, context)
    context.onPosition?.(loaded.position)
    return loaded
  }

  const loadNewest: Streams['load'] = async (decider, id, context) => {
    const name = nameOf(decider, id)
    const known = cached(decider, id)
    if (!known && decider.carryForward) return remember(name, await loadWhole(decider, name, undefined, context))
    // Each page is remembered: a stream that takes longer to read than a command may is read on by the next one.
    for (let loaded = known ?? nothing(decider.initial); ; ) {
      const page = await read(name, { from: loaded.revision + 1, maxCount: pageSize }, context)
      loaded = remember(
        name,
        page.reduce((state, event) => fold(decider, state, event), loaded),
      )
      if (page.length < pageSize) return loaded
      // So far behind, the way back from the end is shorter where the books were closed since.
      if (decider.carryForward) return remember(name, await loadWhole(decider, name, undefined, context))
    }
  }

  /** Backwards to where the books were last closed; from the start where the category has none. */
  const loadWhole = async <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    name: string,
    upTo: number | undefined,
    context: CommandContext,
  ): Promise<Loaded<State>> => {
    const newestFirst: RecordedEvent[] = []
    for (let from = upTo; ; ) {
      const page = await read(name, { direction: 'backwards', maxCount: pageSize, ...(from !== undefined && { from }) }, context)
      newestFirst.push(...page)
      const carried = carriedBy(decider, newestFirst)
      if (carried)
        return newestFirst.slice(0, carried.newer).reduceRight((loaded, event) => fold(decider, loaded, event), carried.loaded)
      const oldest = page.at(-1)
      if (page.length < pageSize || !oldest || oldest.revision === 0) break
      from = oldest.revision - 1
    }
    return newestFirst.reduceRight((loaded, event) => fold(decider, loaded, event), nothing(decider.initial))
  }

  const loadAsOf: Streams['loadAsOf'] = (decider, id, revision, context) =>
    loadWhole(decider, nameOf(decider, id), revision, context)

  const append: Streams['append'] = async (decider, id, loaded, events, context, key) => {
    const name = nameOf(decider, id)
    const messages = events.map(({ type, data }) => ({ id: randomUUID(), type, data, metadata: metadataOf(type, context, key) }))
    const { revision, position } = await appendSurely(name, messages, loaded.revision, context)
    const next = messages.reduce(
      (state, message, i) => fold(decider, state, { ...message, revision: loaded.revision + 1 + i, position }),
      loaded,
    )
    if (next.revision !== revision) throw new Error(`${name}: the store wrote revision ${revision}, expected ${next.revision}`)
    context.onPosition?.(position)
    if (key && events.some(({ type }) => decider.says[type as (typeof events)[number]['type']] === 'accepted')) onAccepted(key)
    return closeBooks(decider, name, remember(name, next), context)
  }

  const appendSurely = async (name: string, messages: readonly NewEvent[], at: number, context: CommandContext) => {
    // What is begun too late would only be work for recovery.
    assertInTime(context)
    for (let attempt = 0; ; attempt++) {
      try {
        return await store.append(name, messages, at, remaining(context))
      } catch (error) {
        if (error instanceof WrongRevision) await forgetIfGone(name, at, context)
        if (!(error instanceof StoreUnavailable)) throw error
        // Only of a first try it is certain that nothing was written, and waiting makes no space.
        if (error.full && attempt === 0) throw error
        await orUnfinished(backOff(attempt, context), error)
      }
    }
  }

  /** A store that was put back to an older state is behind the cache: reading on from there would find nothing, for ever. */
  const forgetIfGone = async (name: string, revision: number, context: CommandContext): Promise<void> => {
    const [newest] = await read(name, { direction: 'backwards', maxCount: 1 }, context)
    if (!newest || newest.revision < revision) cache.delete(name)
  }

  const closeBooks = async <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    name: string,
    loaded: Loaded<State>,
    context: CommandContext,
  ): Promise<Loaded<State>> => {
    if (!decider.carryForward || loaded.revision - loaded.booksClosed < booksEvery) return loaded
    let last = loaded
    try {
      for (const part of booksOf(decider, loaded)) {
        const message = { id: randomUUID(), ...part, metadata: metadataOf(part.type, { ...context, actor: 'system' }) }
        const { revision, position } = await store.append(name, [message], last.revision, remaining(context))
        last = { ...last, revision, position }
      }
    } catch (error) {
      // The books only make loading shorter: an incomplete set is ignored, and the next append closes them again.
      if (error instanceof WrongRevision || error instanceof StoreUnavailable) return loaded
      throw error
    }
    return remember(name, { ...last, booksClosed: last.revision })
  }

  const inTurn: Streams['inTurn'] = async (decider, id, work) => {
    const name = nameOf(decider, id)
    const before = turns.get(name)
    const turn = before ? before.then(work, work) : work()
    turns.set(name, turn)
    try {
      return await turn
    } finally {
      if (turns.get(name) === turn) turns.delete(name)
    }
  }

  return { cached, load, loadAsOf, append, inTurn }
}

/** Milliseconds that one call may take: a lost answer is asked for again well before the deadline. */
const remaining = ({ deadline }: CommandContext): number => Math.max(1, Math.min(2_000, deadline - performance.now()))

const orUnfinished = async (waiting: Promise<void>, cause: Error): Promise<void> => {
  try {
    await waiting
  } catch (error) {
    throw error instanceof Unfinished ? new Unfinished(cause.message, { cause }) : error
  }
}

const metadataOf = (type: string, context: CommandContext, key?: CommandKey): EventMetadata => ({
  $correlationId: context.correlationId,
  ...(context.causationId && { $causationId: context.causationId }),
  ...(key && { commandId: key.commandId, requestHash: key.requestHash }),
  actor: context.actor,
  schema: schemaOf(type),
  ...(context.traceparent && { traceparent: context.traceparent }),
})
