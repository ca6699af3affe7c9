import { randomUUID } from 'node:crypto'
import type { Decider, DomainEvent } from '../../domain/decider.js'
import type { RecordedEvent, Store } from '../../eventstore/store.js'
import { appendCarryForward, appendMessages, messageOf } from './append.js'
import type { CommandContext, CommandKey } from './context.js'
import { loadStream, loadStreamAsOf } from './load.js'
import { createQueue, type Queue } from './queue.js'
import { createStreamCache } from './stream-cache.js'
import { type AnyDecider, type Foldable, nameOf, type StreamState } from './stream-state.js'
import { createTurns } from './turns.js'
import { judge } from './verdict.js'

/** Milliseconds since 1970. */
export type Clock = () => number

/** A command as its caller gives it: the time of its events is put in when it is decided. */
export type Unstamped<Command> = Command extends unknown ? Omit<Command, 'at'> : never

/** What became of a command on one stream; `repeated`: its key was known, and this is how the stream stood then. */
export type Handled<State> = StreamState<State> & { readonly repeated: boolean }

/** Streams as commands see them: folded, cached, written to. */
export type Streams = {
  /** What this process last knew, without asking the store: good enough to decide an append, and nothing else. */
  readonly cached: <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    id: string,
  ) => StreamState<State> | undefined
  /**
   * The same, while it is kept current by the feed: it may also decide what a later step checks again. Else, and where the stream is not
   * here yet, as `load`. (docs/decisions/0018)
   */
  readonly know: Load
  /** As the store has it now. Throws `Unfinished` where it doesn't answer by the deadline. */
  readonly load: Load
  /** As it was at a revision that it has. */
  readonly loadAsOf: <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    id: string,
    revision: number,
    context: CommandContext,
  ) => Promise<StreamState<State>>
  /** See `StreamCache.between`. */
  readonly between: (
    decider: { readonly category: string },
    id: string,
    after: number,
    upTo: number,
  ) => readonly Foldable[] | undefined
  /**
   * The one way in which a command changes a single stream: judged on what is known, appended, and again on a conflict, until the
   * deadline; in turn with the others of this process, see `createQueue`. Throws `Rejected`, `KeyReused`, `PreconditionFailed`,
   * `Unfinished`.
   */
  readonly execute: <State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    id: string,
    command: Unstamped<Command>,
    context: CommandContext,
  ) => Promise<Handled<State>>
  readonly enqueue: Queue
  /**
   * A step of a protocol: decides the command on `from` and appends at its revision; `from` itself where there is nothing to write. `key` is
   * written into the events: they ask, or accept, under it. Throws `Rejected`, `WrongRevision`, `Unfinished`.
   */
  readonly decide: <State, Command, Event extends DomainEvent>(
    decider: Decider<State, Command, Event>,
    id: string,
    from: StreamState<State>,
    command: Unstamped<Command>,
    context: CommandContext,
    key?: CommandKey,
  ) => Promise<StreamState<State>>
  /** The same for events that were decided before. */
  readonly append: <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    id: string,
    from: StreamState<State>,
    events: readonly Event[],
    context: CommandContext,
    key?: CommandKey,
  ) => Promise<StreamState<State>>
  /** The time of a next event: the clock's, or the preceding event's where that is later. */
  readonly timeAfter: (stream: StreamState<unknown>) => string
  /** Runs what works on one stream one after the other inside this process. */
  readonly inTurn: <Result>(decider: { readonly category: string }, id: string, work: () => Promise<Result>) => Promise<Result>
  /** Takes the events of the whole shop, in order, so that what is cached stays current. */
  readonly onEvents: (events: readonly RecordedEvent[]) => void
}

type Load = <State, Event extends DomainEvent>(
  decider: AnyDecider<State, Event>,
  id: string,
  context: CommandContext,
) => Promise<StreamState<State>>

export type StreamSettings = {
  readonly store: Store
  readonly clock: Clock
  /** Streams kept folded. */
  readonly cacheSize: number
  /** Told the key of each command that an event written here accepts. */
  readonly onAccepted?: (key: CommandKey) => void
  /** Whether `onEvents` has been given all that the store had a moment ago. */
  readonly isCurrent?: () => boolean
  /** Told of what went wrong after a command was answered. */
  readonly onError?: (error: unknown, what: string) => void
}

/** Events after which the state of a long stream is carried forward again, and how many milliseconds that may take. */
const carriedEvery = 300
const carryDeadline = 10_000

export const createStreams = (settings: StreamSettings): Streams => {
  const { store, clock, onAccepted, isCurrent = () => false, onError = warn } = settings
  const cache = createStreamCache(settings.cacheSize)
  const deps = { store, cache }
  const turns = createTurns()
  const carrying = new Set<string>()

  const cached: Streams['cached'] = (decider, id) => cache.get(decider, nameOf(decider, id))
  const inTurn: Streams['inTurn'] = (decider, id, work) => turns(nameOf(decider, id), work)
  const timeAfter: Streams['timeAfter'] = ({ at }) => {
    const now = new Date(clock()).toISOString()
    return at > now ? at : now
  }

  const load: Load = async (decider, id, context) => {
    const loaded = await loadStream(deps, decider, id, context)
    context.onPosition?.(loaded.position)
    return loaded
  }

  const write: Parameters<typeof createQueue>[0]['append'] = async (decider, id, from, messages, context) => {
    const written = await appendMessages(deps, decider, id, from, messages, context)
    if (decider.carryForward && written.revision - written.carriedForwardAt >= carriedEvery) carryForward(decider, id)
    return written
  }

  /** After the answer: nobody waits for it but who writes to the same stream next. */
  const carryForward = <State, Event extends DomainEvent>(decider: AnyDecider<State, Event>, id: string): void => {
    const name = nameOf(decider, id)
    if (carrying.has(name)) return
    carrying.add(name)
    const work = async (): Promise<void> => {
      const newest = cached(decider, id)
      if (!newest || newest.revision - newest.carriedForwardAt < carriedEvery) return
      const context = { actor: 'system' as const, correlationId: randomUUID(), deadline: performance.now() + carryDeadline }
      await appendCarryForward(deps, decider, id, newest, context)
    }
    turns(name, work)
      .catch((error) => onError(error, `${name}: its state could not be carried forward`))
      .finally(() => carrying.delete(name))
  }

  const accepted = <Event extends DomainEvent>(
    says: AnyDecider<unknown, Event>['says'],
    events: readonly Event[],
    key: CommandKey | undefined,
  ): void => {
    if (key && events.some(({ type }) => says[type as Event['type']] === 'accepted')) onAccepted?.(key)
  }

  const append: Streams['append'] = async (decider, id, from, events, context, key) => {
    if (events.length === 0) return from
    const messages = events.map((event) => messageOf(event, context, key))
    const written = await write(decider, id, from, messages, context)
    context.onPosition?.(written.position)
    accepted(decider.says, events, key)
    return written
  }

  const enqueue = createQueue({ cached, load, append: write, inTurn: turns })

  const execute: Streams['execute'] = async (decider, id, command, context) => {
    const { verdict, stream } = await enqueue(decider, id, {
      context,
      key: context.key,
      judge: (known) => judge(known, () => decider.decide(stamped(command, timeAfter(known)), known.state), context),
    })
    if (verdict.do === 'refuse') throw verdict.why
    if (verdict.do === 'repeat') {
      return { ...(await loadStreamAsOf(deps, decider, id, verdict.revision, context)), repeated: true }
    }
    if (verdict.do === 'append') accepted(decider.says, verdict.events, context.key)
    return { ...stream, repeated: false }
  }

  return {
    cached,
    know: async (decider, id, context) => (isCurrent() && cached(decider, id)) || load(decider, id, context),
    load,
    loadAsOf: (decider, id, revision, context) => loadStreamAsOf(deps, decider, id, revision, context),
    between: (decider, id, after, upTo) => cache.between(nameOf(decider, id), after, upTo),
    execute,
    enqueue,
    decide: (decider, id, from, command, context, key) =>
      append(decider, id, from, decider.decide(stamped(command, timeAfter(from)), from.state), context, key),
    append,
    timeAfter,
    inTurn,
    onEvents: cache.onEvents,
  }
}

/** A command is what its caller gave and the time; that the two together are it, the compiler can't see. */
const stamped = <Command>(command: Unstamped<Command>, at: string): Command => ({ ...command, at }) as Command

const warn = (error: unknown, what: string): void => process.emitWarning(`${what}: ${String(error)}`)
