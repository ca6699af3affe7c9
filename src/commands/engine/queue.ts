import type { DomainEvent } from '../../domain/decider.js'
import { type NewEvent, WrongRevision } from '../../eventstore/store.js'
import { messageOf } from './append.js'
import { backOff, type CommandContext, type CommandKey, Unfinished } from './context.js'
import { type AnyDecider, fold, nameOf, type StreamState } from './stream-state.js'
import type { Verdict } from './verdict.js'

/** What the queue needs of the streams. */
type Deps = {
  readonly cached: <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    id: string,
  ) => StreamState<State> | undefined
  readonly load: <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    id: string,
    context: CommandContext,
  ) => Promise<StreamState<State>>
  readonly append: <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    id: string,
    from: StreamState<State>,
    messages: readonly NewEvent[],
    context: CommandContext,
  ) => Promise<StreamState<State>>
  readonly inTurn: <Result>(name: string, work: () => Promise<Result>) => Promise<Result>
}

/** Something that wants to write one stream. */
export type Writer<State, Event> = {
  readonly context: CommandContext
  /** Written into the events: they ask, or accept, under it. */
  readonly key?: CommandKey | undefined
  /** `stream` is as those before it in the queue leave it; `written`, the revision up to which that is in the store. */
  readonly judge: (stream: StreamState<State>, written: number) => Verdict<Event>
}

/** The verdict that stands, and the stream as it is with what was written, or as it was when nothing was. */
export type Outcome<State, Event> = { readonly verdict: Verdict<Event>; readonly stream: StreamState<State> }

export type Queue = <State, Event extends DomainEvent>(
  decider: AnyDecider<State, Event>,
  id: string,
  writer: Writer<State, Event>,
) => Promise<Outcome<State, Event>>

type Waiting<State, Event> = {
  readonly writer: Writer<State, Event>
  readonly resolve: (outcome: Outcome<State, Event>) => void
  readonly reject: (error: unknown) => void
}

/** Writers, and characters of JSON, that share an append at most: far below the 1 MiB that a store takes at once. */
const sharedAtMost = 64
const sharedSize = 200_000

/**
 * Writers of one stream queue inside a process instead of racing each other: each is judged on the state that those before it leave,
 * and those who come while an append is on its way share the next one. Only a state that the store has agreed to decides anything but an
 * append: it was read from there, or an append at it has succeeded.
 */
export const createQueue = (deps: Deps): Queue => {
  const queues = new Map<string, Waiting<never, DomainEvent>[]>()

  const drain = async <State, Event extends DomainEvent>(
    decider: AnyDecider<State, Event>,
    id: string,
    queue: Waiting<State, Event>[],
  ): Promise<void> => {
    const name = nameOf(decider, id)
    while (queue.length > 0) await deps.inTurn(name, () => writeShared(deps, decider, id, queue.splice(0, sharedAtMost)))
    queues.delete(name)
  }

  return <State, Event extends DomainEvent>(decider: AnyDecider<State, Event>, id: string, writer: Writer<State, Event>) =>
    new Promise<Outcome<State, Event>>((resolve, reject) => {
      const name = nameOf(decider, id)
      // A stream's queue is of its decider's types.
      const queue = queues.get(name) as Waiting<State, Event>[] | undefined
      if (queue) return void queue.push({ writer, resolve, reject })
      const begun = [{ writer, resolve, reject }]
      queues.set(name, begun as unknown as Waiting<never, DomainEvent>[])
      void drain(decider, id, begun)
    })
}

/** Judges and writes until every one of them has its outcome. */
const writeShared = async <State, Event extends DomainEvent>(
  deps: Deps,
  decider: AnyDecider<State, Event>,
  id: string,
  all: readonly Waiting<State, Event>[],
): Promise<void> => {
  let waiting = all
  const shared = sharedContext(all)
  const timers = all.map((one) => ownDeadline(one, shared.deadline))
  try {
    const cached = deps.cached(decider, id)
    let stream = cached ?? (await deps.load(decider, id, shared))
    let isAgreed = !cached
    for (let attempt = 0; ; attempt++) {
      waiting = waiting.filter(isInTime)
      if (waiting.length === 0) return
      const plan = planOf(decider, stream, waiting)
      try {
        if (plan.messages.length > 0) {
          const { position } = await deps.append(decider, id, stream, plan.messages, shared)
          settle(plan.judged, position)
          stream = { ...plan.after, position }
          isAgreed = true
          waiting = plan.left
          continue
        }
        if (isAgreed) return settle(plan.judged, stream.position)
      } catch (error) {
        if (!(error instanceof WrongRevision)) throw error
        // The first look at what the winner wrote is not waited for.
        if (attempt > 0) await backOff(attempt, shared)
      }
      stream = await deps.load(decider, id, shared)
      isAgreed = true
    }
  } catch (error) {
    for (const { reject } of waiting) reject(error)
  } finally {
    for (const timer of timers) clearTimeout(timer)
  }
}

type Judged<State, Event> = Outcome<State, Event> & { readonly waiting: Waiting<State, Event> }

/** The position of what is still to be written. */
const unwritten = -1n

/** One after the other, each on what the one before it leaves, until the append is full. */
const planOf = <State, Event extends DomainEvent>(
  decider: AnyDecider<State, Event>,
  from: StreamState<State>,
  waiting: readonly Waiting<State, Event>[],
) => {
  const messages: NewEvent[] = []
  const judged: Judged<State, Event>[] = []
  let after = from
  let size = 0
  for (const [i, one] of waiting.entries()) {
    const verdict = verdictOn(after, from.revision, one.writer)
    if (verdict.do === 'append') {
      const { context, key } = one.writer
      const more = verdict.events.map((event) => messageOf(event, context, key))
      size += waiting.length > 1 ? JSON.stringify(more).length : 0
      if (size > sharedSize && messages.length > 0) return { messages, judged, after, left: waiting.slice(i) }
      for (const message of more) {
        messages.push(message)
        after = fold(decider, after, { ...message, revision: after.revision + 1, position: unwritten })
      }
    }
    judged.push({ waiting: one, verdict, stream: after })
  }
  return { messages, judged, after, left: [] }
}

/** What one of them throws must not be the end of the others. */
const verdictOn = <State, Event>(
  stream: StreamState<State>,
  written: number,
  { judge }: Writer<State, Event>,
): Verdict<Event> => {
  try {
    return judge(stream, written)
  } catch (error) {
    // Deciders and verdicts throw errors alone.
    return { do: 'refuse', why: error as Error }
  }
}

const settle = <State, Event>(judged: readonly Judged<State, Event>[], position: bigint): void => {
  for (const { waiting, verdict, stream } of judged) {
    const written = stream.position === unwritten ? { ...stream, position } : stream
    waiting.writer.context.onPosition?.(written.position)
    waiting.resolve({ verdict, stream: written })
  }
}

const isInTime = <State, Event>({ writer, reject }: Waiting<State, Event>): boolean => {
  if (performance.now() < writer.context.deadline) return true
  reject(new Unfinished('the deadline has passed'))
  return false
}

/** What is done for all of them goes on as long as one of them has time. */
const sharedContext = <State, Event>(all: readonly Waiting<State, Event>[]): CommandContext => ({
  actor: 'system',
  correlationId: all[0]?.writer.context.correlationId ?? '',
  deadline: Math.max(...all.map(({ writer }) => writer.context.deadline)),
})

/** One whose own deadline is earlier is told then; what it wanted may still come to be. */
const ownDeadline = <State, Event>({ writer, reject }: Waiting<State, Event>, shared: number): NodeJS.Timeout | undefined => {
  const { deadline } = writer.context
  if (deadline >= shared) return undefined
  return setTimeout(() => reject(new Unfinished('the deadline has passed')), deadline - performance.now())
}
