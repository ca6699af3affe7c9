import { randomUUID } from 'node:crypto'
import type { DomainEvent } from '../../domain/decider.js'
import { type EventMetadata, type NewEvent, type Store, StoreUnavailable, WrongRevision } from '../../eventstore/store.js'
import { schemaOf } from '../../eventstore/upcast.js'
import { carriedParts } from './carry-forward.js'
import { assertInTime, backOff, type CommandContext, type CommandKey, orUnfinished, remaining } from './context.js'
import type { StreamCache } from './stream-cache.js'
import { type AnyDecider, nameOf, type StreamState } from './stream-state.js'

type Deps = { readonly store: Store; readonly cache: StreamCache }

/** An event with all that is stored beside it; made once, so that repeating its append repeats it to the byte. */
export const messageOf = (event: DomainEvent, context: CommandContext, key?: CommandKey): NewEvent => ({
  id: randomUUID(),
  type: event.type,
  data: event.data,
  metadata: metadataOf(event.type, context, key),
})

const metadataOf = (type: string, context: CommandContext, key?: CommandKey): EventMetadata => {
  const metadata: { -readonly [Field in keyof EventMetadata]: EventMetadata[Field] } = { $correlationId: context.correlationId }
  if (context.causationId) metadata.$causationId = context.causationId
  if (key) {
    metadata.commandId = key.commandId
    metadata.requestHash = key.requestHash
  }
  metadata.actor = context.actor
  metadata.schema = schemaOf(type)
  if (context.traceparent) metadata.traceparent = context.traceparent
  return metadata
}

/**
 * Appends at the revision of `from`. An append whose answer is lost is looked for, and repeated, the same to the byte, until the deadline:
 * then `Unfinished`. Throws `WrongRevision` on a conflict. The commit position of each event is taken to be the last one's.
 */
export const appendMessages = async <State, Event extends DomainEvent>(
  deps: Deps,
  decider: AnyDecider<State, Event>,
  id: string,
  from: StreamState<State>,
  messages: readonly NewEvent[],
  context: CommandContext,
): Promise<StreamState<State>> => {
  // What is begun too late would only be work for recovery.
  assertInTime(context)
  const name = nameOf(decider, id)
  const arrival = deps.cache.expect(name)
  try {
    const { revision, position } = await appendSurely(deps.store, name, messages, from.revision, context)
    if (revision !== from.revision + messages.length) {
      throw new Error(`${name}: the store wrote revision ${revision}, expected ${from.revision + messages.length}`)
    }
    const events = messages.map((message, i) => ({ ...message, revision: from.revision + 1 + i, position }))
    return arrival.fold(decider, from, events)
  } catch (error) {
    if (error instanceof WrongRevision) deps.cache.doubt(name)
    throw error
  } finally {
    arrival.end()
  }
}

type Appended = { readonly revision: number; readonly position: bigint }

const appendSurely = async (
  store: Store,
  name: string,
  messages: readonly NewEvent[],
  at: number,
  context: CommandContext,
): Promise<Appended> => {
  for (let attempt = 0; ; attempt++) {
    try {
      // A repeat that meets the first on its way is dropped by an EventStoreDB, and costs its timeout: a read tells sooner.
      const found = attempt > 0 ? await findAppended(store, name, messages, at, context) : undefined
      return found ?? (await store.append(name, messages, at, remaining(context)))
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      // Only of a first try it is certain that nothing was written, and waiting makes no space.
      if (error.full && attempt === 0) throw error
      await orUnfinished(backOff(attempt, context), error)
    }
  }
}

/** The append, if it came to be after all. Throws `WrongRevision` where another stands in its place: then it never will. */
const findAppended = async (
  store: Store,
  name: string,
  messages: readonly NewEvent[],
  at: number,
  context: CommandContext,
): Promise<Appended | undefined> => {
  const events = await store.read(name, { from: at + 1, maxCount: messages.length, timeout: remaining(context) })
  const last = events.at(-1)
  if (!last) return undefined
  if (last.id === messages.at(-1)!.id) return { revision: last.revision, position: last.position }
  throw new WrongRevision(`${name} is not at ${at}`)
}

/**
 * Carries the state forward, in as many events as it takes. It only makes loading shorter: where another writes in between, or the store
 * is away, an incomplete set is left, which loading ignores.
 */
export const appendCarryForward = async <State, Event extends DomainEvent>(
  deps: Deps,
  decider: AnyDecider<State, Event>,
  id: string,
  from: StreamState<State>,
  context: CommandContext,
): Promise<void> => {
  const name = nameOf(decider, id)
  let state = from
  for (const part of carriedParts(decider, from)) {
    const message = messageOf(part, context)
    const arrival = deps.cache.expect(name)
    try {
      const { revision, position } = await deps.store.append(name, [message], state.revision, remaining(context))
      state = arrival.fold(decider, state, [{ ...message, revision, position }])
    } catch (error) {
      if (error instanceof WrongRevision || error instanceof StoreUnavailable) return
      throw error
    } finally {
      arrival.end()
    }
  }
}
