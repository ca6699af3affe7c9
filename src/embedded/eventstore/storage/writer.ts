import { messageOf } from '../../../platform/errors.js'
import type { Decision } from './expected-revision.js'
import { isDiskFull } from './files.js'
import type { StreamIndex } from './index/stream-index.js'
import { Damaged } from './log/errors.js'
import type { EventLog } from './log/log.js'
import type { Outcome, Settle } from './outcome.js'
import type { WriteBatch, Written } from './write-batch.js'

type Refused = Exclude<Decision, { kind: 'write' | 'known' }>

export type Job = {
  readonly decide: (batch: WriteBatch) => Written | Refused
  readonly deadline: number
  readonly settle: Settle
  /** Who asked has gone: what was not begun by then is not begun any more. */
  readonly isGone?: () => boolean
}

export type Writer = {
  readonly submit: (job: Job) => void
  /** Whether appends are refused for want of space on the disk. */
  readonly isFull: () => boolean
  readonly failed: Promise<never>
  /** Ends after the group on its way; what still waits is unavailable. Answers whether all went well. */
  readonly close: () => Promise<boolean>
  readonly abandon: () => void
  /** Runs between two groups. */
  readonly pause: <T>(work: () => Promise<T>) => Promise<T>
}

export type WriterParts = {
  readonly log: EventLog
  readonly index: StreamIndex
  /** A new batch, to be built on what is committed. */
  readonly newBatch: () => WriteBatch
  /** Makes a committed batch visible. */
  readonly apply: (batch: WriteBatch) => void
  readonly now: () => number
  /** Told when the disk has become full, and when it has space again. */
  readonly onFull?: ((full: boolean) => void) | undefined
}

type Waiting = { readonly job: Job; settled: boolean; timer: NodeJS.Timeout | undefined }

/**
 * `full`: there was no space for the last group, which was taken back; all that was synced is there. `broken`: nobody knows what is on
 * the disk, and only opening the store anew can tell.
 */
type State = {
  readonly parts: WriterParts
  readonly fail: (error: unknown) => void
  phase: 'open' | 'full' | 'closing' | 'broken'
  queue: Waiting[]
  pauses: (() => Promise<void>)[]
  running: Promise<void> | undefined
  flushTimer: NodeJS.Timeout | undefined
  /** When the disk was last found to be full, by `performance.now()`. */
  fullAt: number
}

const groupLimit = 4 * 1024 * 1024
/** Events. */
const flushAbove = 4_000
/** Milliseconds. */
const flushAfter = 50
/** How often a full disk is looked at again, in milliseconds, and the bytes that must be free by then. */
const lookAgainAfter = 500
const wantedSpace = 1024 * 1024

/** Group commit: all that arrives during one sync shares the next. */
export const createWriter = (parts: WriterParts): Writer => {
  let fail: (error: unknown) => void = () => undefined
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  // Who doesn't ask is not to be brought down by it.
  failed.catch(() => undefined)
  const state: State = {
    parts,
    fail,
    phase: 'open',
    queue: [],
    pauses: [],
    running: undefined,
    flushTimer: undefined,
    fullAt: 0,
  }
  return {
    submit: (job) => submit(state, job),
    isFull: () => state.phase === 'full',
    failed,
    pause: (work) => pause(state, work),
    abandon: () => {
      state.phase = 'broken'
      clearTimeout(state.flushTimer)
    },
    close: () => close(state),
  }
}

/** `closing` covers `broken` too: neither takes anything more. */
const isOver = ({ phase }: State): boolean => phase === 'closing' || phase === 'broken'

const settle = (waiting: Waiting, outcome: Outcome): void => {
  if (waiting.settled) return
  waiting.settled = true
  clearTimeout(waiting.timer)
  waiting.job.settle(outcome)
}

const submit = (state: State, job: Job): void => {
  const waiting: Waiting = { job, settled: false, timer: undefined }
  const left = job.deadline - state.parts.now()
  if (isOver(state) || left <= 0) {
    settle(waiting, { kind: isOver(state) ? 'unavailable' : 'timeout' })
    return
  }
  if (Number.isFinite(left)) waiting.timer = setTimeout(() => settle(waiting, { kind: 'timeout' }), Math.min(left, 2 ** 31 - 1))
  state.queue.push(waiting)
  start(state)
}

const pause = <T>(state: State, work: () => Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    if (isOver(state)) return reject(new Error('the store is closing'))
    state.pauses.push(() => work().then(resolve, reject))
    start(state)
  })

// Later in the same turn more may arrive: they share the group.
const start = (state: State): void => {
  state.running ??= new Promise((resolve) => setImmediate(() => resolve(run(state))))
}

const run = async (state: State): Promise<void> => {
  try {
    while ((state.queue.length > 0 && !isOver(state)) || state.pauses.length > 0) {
      for (const work of state.pauses.splice(0)) await work()
      if (state.queue.length === 0 || isOver(state)) continue
      if (state.phase === 'full' && !hasSpaceAgain(state)) refuseAll(state, { kind: 'full' })
      else await writeGroup(state)
    }
  } catch (error) {
    breakDown(state, error)
  }
  if (isOver(state)) refuseAll(state, { kind: 'unavailable' })
  state.running = undefined
}

const refuseAll = (state: State, outcome: Outcome): void => {
  for (const waiting of state.queue.splice(0)) settle(waiting, outcome)
}

const breakDown = (state: State, error: unknown): void => {
  state.phase = 'broken'
  state.fail(error)
}

/** What can't be read refuses the one append that needs it, not its neighbours. Nothing of it is in the batch yet. */
const decide = (job: Job, batch: WriteBatch): Outcome => {
  try {
    return job.decide(batch)
  } catch (error) {
    if (error instanceof Damaged) return { kind: 'failed', message: error.message }
    throw error
  }
}

type Decided = { readonly waiting: Waiting; readonly outcome: Outcome }

const takeFromQueue = (state: State, batch: WriteBatch): Decided[] => {
  const decided: Decided[] = []
  let taken = 0
  while (taken < state.queue.length && batch.bytes() < groupLimit) {
    const waiting = state.queue[taken++]!
    if (waiting.job.isGone?.()) settle(waiting, { kind: 'unavailable' })
    if (!waiting.settled) decided.push({ waiting, outcome: decide(waiting.job, batch) })
  }
  state.queue = state.queue.slice(taken)
  return decided
}

const writeGroup = async (state: State): Promise<void> => {
  const { log, newBatch, apply } = state.parts
  let decided: Decided[] = []
  try {
    await log.makeRoom()
    const batch = newBatch()
    decided = takeFromQueue(state, batch)
    if (!batch.isEmpty()) {
      await log.commit(batch.seal())
      if (state.phase === 'broken') return
      apply(batch)
      flushSoon(state)
    }
  } catch (error) {
    return takeBack(state, decided, error)
  }
  for (const { waiting, outcome } of decided) settle(waiting, outcome)
}

/** Of a group for which there was no space nothing is left, and all that was acknowledged before it is there. Throws any other error. */
const takeBack = async (state: State, decided: readonly Decided[], error: unknown): Promise<void> => {
  try {
    if (!isDiskFull(error)) throw error
    await state.parts.log.restoreTail()
  } catch (fatal) {
    for (const { waiting } of decided) settle(waiting, { kind: 'unavailable' })
    throw fatal
  }
  for (const { waiting } of decided) settle(waiting, { kind: 'full' })
  becomeFull(state)
}

const becomeFull = (state: State): void => {
  const before = state.phase
  state.fullAt = performance.now()
  if (before === 'open') {
    state.phase = 'full'
    state.parts.onFull?.(true)
  }
}

/** Also the index must have been written, which holds in memory what it could not write. */
const hasSpaceAgain = (state: State): boolean => {
  if (performance.now() - state.fullAt < lookAgainAfter) return false
  state.fullAt = performance.now()
  if (state.parts.log.freeBytes() < wantedSpace || !flush(state)) return false
  state.phase = 'open'
  state.parts.onFull?.(false)
  return true
}

/** Answers whether there was space. */
const flush = (state: State): boolean => {
  try {
    state.parts.index.flush()
    return true
  } catch (error) {
    if (!isDiskFull(error)) throw new Error(`the index can't be written: ${messageOf(error)}`, { cause: error })
    becomeFull(state)
    return false
  }
}

const flushLater = (state: State): void => {
  state.flushTimer = undefined
  if (state.phase === 'broken' || state.phase === 'full') return
  try {
    flush(state)
  } catch (error) {
    breakDown(state, error)
  }
}

const flushSoon = (state: State): void => {
  if (state.parts.index.unflushed() >= flushAbove) flush(state)
  else state.flushTimer ??= setTimeout(() => flushLater(state), flushAfter)
}

const close = async (state: State): Promise<boolean> => {
  if (state.phase !== 'broken') state.phase = 'closing'
  await state.running
  clearTimeout(state.flushTimer)
  // It may have broken while the last group was on its way.
  return (state.phase as State['phase']) !== 'broken'
}
