import { createCartCommands } from '../../../src/commands/cart.js'
import type { CommandContext, Done } from '../../../src/commands/engine/context.js'
import { createStreams } from '../../../src/commands/engine/streams.js'
import type { Commands } from '../../../src/commands/index.js'
import { createOrderCommands } from '../../../src/commands/order.js'
import { createProductCommands } from '../../../src/commands/product.js'
import { createUserCommands } from '../../../src/commands/user.js'
import { Rejected } from '../../../src/domain/decider.js'
import type { RecordedEvent } from '../../../src/eventstore/store.js'
import type { Random } from '../eventstore/disk.js'
import { createLog, type Log } from './log.js'
import { createScheduler, noFaults, type Scheduler } from './scheduler.js'
import { startAgain, virtualNow } from './virtual.js'

/** What a command was answered: `done`, or the reason of its refusal, or the name of another error. */
export type Answer<Value> = { readonly reason: string; readonly done?: Done<Value>; readonly refused: boolean }

/** Without what a process remembers beside the streams: these must do alone. */
export type WorldCommands = Omit<Commands, 'onEvents' | 'disclosures'>

/** One run: a store, processes that share it, and what was seen to be wrong. */
export type World = Scheduler & {
  readonly random: Random
  readonly pick: <Item>(items: readonly Item[]) => Item
  readonly log: Log
  readonly trace: string[]
  readonly wrongs: readonly string[]
  readonly wrong: (what: string) => void
  /** Looked at after every append; nothing where all is well. */
  readonly always: (look: () => string | undefined) => void
  readonly process: (name: string, settings?: { cacheStreams?: number; claimYoung?: number }) => WorldCommands
  /** `within`: the deadline, in milliseconds from now. */
  readonly context: (within?: number, more?: Partial<CommandContext>) => CommandContext
  /** Asks now or some steps later. `check` sees the answer, unless the process has died. */
  readonly ask: (process: string, when: number, command: () => Asked | undefined) => void
  /** Whether a process that lives still waits for an answer. */
  readonly isBusy: () => boolean
  /** Without any faults, to its end. */
  readonly calmly: <Result>(work: Promise<Result>) => Promise<Result>
  readonly answers: Map<string, number>
}

export type Asked = { readonly what: string; readonly answered: Promise<void> }

const dayOne = Date.parse('2025-01-01T00:00:00Z')
const clock = () => dayOne + Math.floor(virtualNow())

/** A hash that costs nothing: what passwords are worth is not the question here. */
const passwords = {
  hash: async (password: string) => `hash of ${password}`,
  matches: async (password: string, hash: string | undefined) => hash === `hash of ${password}`,
  isOutdated: () => false,
}

export const createWorld = (seed: number, answers: Map<string, number>): World => {
  const random = startAgain(seed)
  const trace: string[] = []
  const wrongs: string[] = []
  const looks: (() => string | undefined)[] = []
  const busy = new Map<string, number>()
  let correlations = 0

  const wrong = (what: string): void => {
    trace.push(`!! ${what}`)
    wrongs.push(what)
  }
  const lookAgain = () => {
    if (wrongs.length > 0) return
    for (const look of looks) {
      const found = look()
      if (found) wrong(found)
    }
  }
  const feeds: { readonly take: (events: readonly RecordedEvent[]) => void; next: number }[] = []
  /** Each process is told of some more of what it has not been told of yet, or of nothing. */
  const feedSome = () => {
    for (const feed of feeds) {
      const events = log.events.slice(feed.next, feed.next + random.below(4))
      feed.take(events)
      feed.next += events.length
    }
  }
  const log = createLog(() => {
    lookAgain()
    feedSome()
  })
  const scheduler = createScheduler(random, log, trace)

  const process: World['process'] = (name, { cacheStreams = 1_000, claimYoung = 0 } = {}) => {
    // Half of the processes take what they know from the feed, which is late by any time, for current.
    const isTrusting = random.chance(0.5)
    const store = scheduler.storeOf(name)
    const streams = createStreams({ store, clock, cacheSize: cacheStreams, isCurrent: () => isTrusting })
    feeds.push({ take: streams.onEvents, next: log.events.length })
    const deps = { streams, clock }
    return {
      orders: createOrderCommands(deps),
      cart: createCartCommands(deps),
      products: createProductCommands(deps),
      users: createUserCommands({ ...deps, passwords, emailKey: 'key', claimYoung }),
    }
  }

  const ask: World['ask'] = async (name, when, command) => {
    busy.set(name, (busy.get(name) ?? 0) + 1)
    if (when > 0) await scheduler.sleep(when)
    try {
      const asked = scheduler.isDead(name) ? undefined : command()
      if (asked) trace.push(`** ${name} asks: ${asked.what}`)
      await asked?.answered
    } catch (error) {
      wrong((error as Error).stack ?? String(error))
    }
    busy.set(name, busy.get(name)! - 1)
  }

  const calmly: World['calmly'] = async (work) => {
    let ended = false
    const end = () => {
      ended = true
    }
    work.then(end, end)
    scheduler.faults(noFaults)
    if (!(await scheduler.run(() => ended, 20_000))) throw new Error('does not end, though nothing disturbs it')
    return work
  }

  return {
    ...scheduler,
    random,
    pick: (items) => items[random.below(items.length)]!,
    log,
    trace,
    wrongs,
    wrong,
    always: (look) => looks.push(look),
    process,
    context: (within = 1e7, more = {}) => ({
      actor: 'anonymous',
      correlationId: `c${++correlations}`,
      deadline: virtualNow() + within,
      ...more,
    }),
    ask,
    isBusy: () => [...busy].some(([name, open]) => open > 0 && !scheduler.isDead(name)),
    calmly,
    answers,
  }
}

const expectedErrors: ReadonlySet<string> = new Set(['Unfinished', 'KeyReused', 'PreconditionFailed'])

/** Waits for a command's answer on behalf of a process, and hands it to `check`; the dead don't hear it. */
export const answerOf = async <Value>(
  world: World,
  process: string,
  context: CommandContext,
  work: Promise<Done<Value>>,
  check: (answer: Answer<Value>) => void,
): Promise<void> => {
  const answer = await work.then(
    (done): Answer<Value> => ({ reason: 'done', done, refused: false }),
    (error: Error): Answer<Value> => {
      const refused = error instanceof Rejected
      if (!refused && !expectedErrors.has(error.name)) world.wrong(`${process} is answered ${error.stack}`)
      return { reason: error instanceof Rejected ? error.reason : error.name, refused: refused || error.name !== 'Unfinished' }
    },
  )
  if (world.isDead(process)) return
  world.trace.push(`** ${process} is answered ${answer.reason} (${context.correlationId})`)
  world.answers.set(answer.reason, (world.answers.get(answer.reason) ?? 0) + 1)
  check(answer)
}
