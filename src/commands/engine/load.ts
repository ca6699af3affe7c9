import type { DomainEvent } from '../../domain/decider.js'
import { noStream, type ReadOptions, type RecordedEvent, type Store, StoreUnavailable } from '../../eventstore/store.js'
import { newestCarried } from './carry-forward.js'
import { backOff, type CommandContext, orUnfinished, remaining } from './context.js'
import type { StreamCache } from './stream-cache.js'
import { type AnyDecider, emptyStream, fold, nameOf, type StreamState } from './stream-state.js'

type Deps = { readonly store: Store; readonly cache: StreamCache }

const pageSize = 500

/** The stream as the store has it now. Throws `Unfinished` where the store doesn't answer by the deadline. */
export const loadStream = async <State, Event extends DomainEvent>(
  deps: Deps,
  decider: AnyDecider<State, Event>,
  id: string,
  context: CommandContext,
): Promise<StreamState<State>> => {
  const name = nameOf(decider, id)
  const known = deps.cache.get(decider, name)
  if (!known && decider.carryForward) return loadBackwards(deps, decider, name, context)
  const doubted = deps.cache.isDoubted(name)
  // Each page is remembered: a stream that takes longer to read than a command may is read on by the next one.
  for (let from = known ?? emptyStream(decider.initial); ; ) {
    const arrival = deps.cache.expect(name)
    let page: readonly RecordedEvent[]
    try {
      page = await readPage(deps, name, { from: from.revision + 1, maxCount: pageSize }, context)
      from = arrival.fold(decider, from, page)
    } finally {
      arrival.end()
    }
    if (page.length === 0 && doubted && (await isGone(deps, name, from.revision, context))) {
      deps.cache.forget(name)
      return loadStream(deps, decider, id, context)
    }
    if (page.length < pageSize) return from
    // So far behind, the way back from the end is shorter where the state was carried forward since.
    if (decider.carryForward) return loadBackwards(deps, decider, name, context)
  }
}

/** The stream as it was at a revision that it has. Throws `Unfinished`. */
export const loadStreamAsOf = async <State, Event extends DomainEvent>(
  deps: Deps,
  decider: AnyDecider<State, Event>,
  id: string,
  revision: number,
  context: CommandContext,
): Promise<StreamState<State>> => {
  const { from, events } = await readBackwards(deps, decider, nameOf(decider, id), revision, context)
  return events.reduce((before, event) => fold(decider, before, event), from)
}

const loadBackwards = async <State, Event extends DomainEvent>(
  deps: Deps,
  decider: AnyDecider<State, Event>,
  name: string,
  context: CommandContext,
): Promise<StreamState<State>> => {
  const arrival = deps.cache.expect(name)
  try {
    const { from, events } = await readBackwards(deps, decider, name, undefined, context)
    return arrival.fold(decider, from, events)
  } finally {
    arrival.end()
  }
}

/** Back to where the state was last carried forward, or to the start: that state, and the events behind it, oldest first. */
const readBackwards = async <State, Event extends DomainEvent>(
  deps: Deps,
  decider: AnyDecider<State, Event>,
  name: string,
  upTo: number | undefined,
  context: CommandContext,
): Promise<{ readonly from: StreamState<State>; readonly events: readonly RecordedEvent[] }> => {
  const newestFirst: RecordedEvent[] = []
  for (let from = upTo; ; ) {
    const options = { direction: 'backwards' as const, maxCount: pageSize, ...(from !== undefined && { from }) }
    const page = await readPage(deps, name, options, context)
    newestFirst.push(...page)
    const found = newestCarried(decider, newestFirst)
    if (found) return { from: found.carried, events: newestFirst.slice(0, found.newer).reverse() }
    const oldest = page.at(-1)
    if (page.length < pageSize || !oldest || oldest.revision === 0) break
    from = oldest.revision - 1
  }
  return { from: emptyStream(decider.initial), events: newestFirst.reverse() }
}

/** A store that was put back to an older state is behind the cache: reading on from there would find nothing, for ever. */
const isGone = async (deps: Deps, name: string, revision: number, context: CommandContext): Promise<boolean> => {
  const [newest] = await readPage(deps, name, { direction: 'backwards', maxCount: 1 }, context)
  return (newest?.revision ?? noStream) < revision
}

const readPage = async (
  { store }: Deps,
  name: string,
  options: ReadOptions,
  context: CommandContext,
): Promise<readonly RecordedEvent[]> => {
  for (let attempt = 0; ; attempt++) {
    try {
      return await store.read(name, { ...options, timeout: remaining(context) })
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      await orUnfinished(backOff(attempt, context), error)
    }
  }
}
