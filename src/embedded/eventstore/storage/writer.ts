import type { Decision } from './expected-revision.js'
import type { Catalog } from './index/stream-index.js'
import { Damaged } from './log/errors.js'
import type { Log } from './log/log.js'
import type { Outcome, Settle } from './outcome.js'
import type { Draft, Written } from './write-batch.js'

type Refused = Exclude<Decision, { kind: 'write' | 'known' }>

export type Job = {
  readonly decide: (draft: Draft) => Written | Refused
  readonly deadline: number
  readonly settle: Settle
  /** Who asked has gone: what was not begun by then is not begun any more. */
  readonly isGone?: () => boolean
}

export type Writer = {
  readonly submit: (job: Job) => void
  readonly failed: Promise<never>
  /** Ends after the group on its way; what still waits is unavailable. Answers whether all went well. */
  readonly close: () => Promise<boolean>
  readonly abandon: () => void
  /** Runs between two groups. */
  readonly pause: <T>(work: () => Promise<T>) => Promise<T>
}

type Waiting = { readonly job: Job; settled: boolean; timer: NodeJS.Timeout | undefined }
type Hooks = { readonly draft: () => Draft; readonly apply: (draft: Draft) => void; readonly now: () => number }

const groupLimit = 4 * 1024 * 1024
const flushAbove = 4_000
const flushAfter = 50

/** Group commit: all that arrives during one sync shares the next. */
export const createWriter = (log: Log, catalog: Catalog, { draft: newDraft, apply, now }: Hooks): Writer => {
  let queue: Waiting[] = []
  let running: Promise<void> | undefined
  let closing = false
  let broken = false
  let pauses: (() => Promise<void>)[] = []
  let flushTimer: NodeJS.Timeout | undefined
  let fail: (error: unknown) => void
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  // Who doesn't ask is not to be brought down by it.
  failed.catch(() => undefined)

  const settle = (waiting: Waiting, outcome: Outcome): void => {
    if (waiting.settled) return
    waiting.settled = true
    clearTimeout(waiting.timer)
    waiting.job.settle(outcome)
  }

  const breakDown = (error: unknown): void => {
    broken = true
    fail(error)
  }

  const flush = (): void => {
    try {
      catalog.flush()
    } catch (error) {
      throw new Error(`the index can't be written: ${(error as Error).message}`, { cause: error })
    }
  }

  const flushLater = (): void => {
    flushTimer = undefined
    if (broken) return
    try {
      flush()
    } catch (error) {
      breakDown(error)
    }
  }

  const flushSoon = (): void => {
    if (catalog.unflushed() >= flushAbove) flush()
    else flushTimer ??= setTimeout(flushLater, flushAfter)
  }

  const group = async (): Promise<void> => {
    await log.makeRoom()
    const draft = newDraft()
    const jobs: { waiting: Waiting; outcome: Outcome }[] = []
    let taken = 0
    while (taken < queue.length && draft.bytes() < groupLimit) {
      const waiting = queue[taken++]!
      if (waiting.job.isGone?.()) settle(waiting, { kind: 'unavailable' })
      if (!waiting.settled) jobs.push({ waiting, outcome: decide(waiting.job, draft) })
    }
    queue = queue.slice(taken)
    try {
      if (!draft.isEmpty()) {
        await log.commit(draft.seal())
        if (broken) return
        apply(draft)
        flushSoon()
      }
    } catch (error) {
      for (const { waiting } of jobs) settle(waiting, { kind: 'unavailable' })
      throw error
    }
    for (const { waiting, outcome } of jobs) settle(waiting, outcome)
  }

  const run = async (): Promise<void> => {
    try {
      while ((queue.length > 0 && !closing) || pauses.length > 0) {
        const work = pauses
        pauses = []
        for (const pause of work) await pause()
        if (queue.length > 0 && !closing) await group()
      }
    } catch (error) {
      // After a failed sync nobody knows what is on the disk: only opening the store anew can tell.
      breakDown(error)
    }
    for (const waiting of queue) if (closing || broken) settle(waiting, { kind: 'unavailable' })
    if (closing || broken) queue = []
    running = undefined
  }

  // Later in the same turn more may arrive: they share the group.
  const start = (): void => {
    running ??= new Promise((resolve) => setImmediate(() => resolve(run())))
  }

  return {
    submit: (job) => {
      const waiting: Waiting = { job, settled: false, timer: undefined }
      const left = job.deadline - now()
      if (closing || broken) return settle(waiting, { kind: 'unavailable' })
      if (left <= 0) return settle(waiting, { kind: 'timeout' })
      if (Number.isFinite(left))
        waiting.timer = setTimeout(() => settle(waiting, { kind: 'timeout' }), Math.min(left, 2 ** 31 - 1))
      queue.push(waiting)
      start()
    },
    failed,
    pause: (work) =>
      new Promise((resolve, reject) => {
        if (closing || broken) return reject(new Error('the store is closing'))
        pauses.push(() => work().then(resolve, reject))
        start()
      }),
    abandon: () => {
      closing = true
      broken = true
      clearTimeout(flushTimer)
    },
    close: async () => {
      closing = true
      await running
      clearTimeout(flushTimer)
      return !broken
    },
  }
}

/** A damaged record that a decision would need refuses the one append, not its neighbours. Nothing was drafted for it yet. */
const decide = (job: Job, draft: Draft): Outcome => {
  try {
    return job.decide(draft)
  } catch (error) {
    if (error instanceof Damaged) return { kind: 'failed', message: error.message }
    throw error
  }
}
