import { type Store, StoreUnavailable, WrongRevision } from '../../../src/eventstore/store.js'
import type { Random } from '../eventstore/disk.js'
import type { Log } from './log.js'
import { dropTimers, fireTimer, pass, virtualNow } from './virtual.js'

/** Probabilities for one call of the store: lost on the way there or back, an append that lands long after it was given up, a sleep before it. */
export type Faults = { readonly lost: number; readonly late: number; readonly sleep: number }

export const noFaults: Faults = { lost: 0, late: 0, sleep: 0 }

type Call = { readonly process: string; readonly wake: number; readonly answer: () => void }

/** Decides who goes on next: whatever the processes have under way stands still until it is its turn. */
export type Scheduler = {
  readonly storeOf: (process: string) => Store
  readonly isDead: (process: string) => boolean
  readonly faults: (faults: Faults) => void
  readonly sleep: (steps: number) => Promise<void>
  /** Runs until `done`; `false` where that took more steps than the limit. `crash`: the probability, a step, that one of them dies. */
  readonly run: (done: () => boolean, limit: number, crash?: { chance: number; processes: readonly string[] }) => Promise<boolean>
  /** Everything that runs is dead, and what was still on its way to the store has come. */
  readonly killAll: () => Promise<void>
}

export const createScheduler = (random: Random, log: Log, trace: string[]): Scheduler => {
  let faults = noFaults
  let steps = 0
  let calls: Call[] = []
  let sleepers: { readonly wake: number; readonly go: () => void }[] = []
  const late: (() => void)[] = []
  const processes = new Set<string>()
  const dead = new Set<string>()

  /** Asks the store on behalf of somebody who will not hear the answer. */
  const unheard = (label: string, work: () => unknown): void => {
    try {
      work()
      trace.push(`${label}: happens unheard`)
    } catch (error) {
      if (!(error instanceof WrongRevision)) throw error
      trace.push(`${label}: conflicts unheard`)
    }
  }

  const call = <Result>(process: string, what: string, work: () => Result, writes: boolean): Promise<Result> =>
    new Promise((resolve, reject) => {
      const label = `${process} ${what}`
      const giveUp = (how: string) => {
        trace.push(`${label}: ${how}`)
        reject(new StoreUnavailable(how))
      }
      const answer = () => {
        const fate = random.below(1_000) / 1_000
        if (fate < faults.lost) return giveUp('lost on the way there')
        if (writes && fate < 2 * faults.lost) {
          unheard(label, work)
          return giveUp('lost on the way back')
        }
        if (writes && fate < 2 * faults.lost + faults.late) {
          late.push(() => unheard(label, work))
          return giveUp('comes late')
        }
        try {
          const result = work()
          trace.push(`${Math.round(virtualNow())} ms ${label}`)
          return resolve(result)
        } catch (error) {
          trace.push(`${Math.round(virtualNow())} ms ${label}: ${(error as Error).name}`)
          return reject(error)
        }
      }
      calls.push({ process, wake: random.chance(faults.sleep) ? steps + random.below(150) : 0, answer })
    })

  const crashed = (chance: number, mortal: readonly string[]): boolean => {
    if (!random.chance(chance)) return false
    const process = mortal[random.below(mortal.length)]!
    trace.push(`-- ${process} dies`)
    dead.add(process)
    return true
  }

  const landed = (chance: number): boolean => {
    if (late.length === 0 || !random.chance(chance)) return false
    late.splice(random.below(late.length), 1)[0]!()
    return true
  }

  const answered = (choose: (among: readonly Call[]) => Call): boolean => {
    if (calls.length === 0) return false
    const awake = calls.filter(({ wake }) => wake <= steps)
    const next = choose(awake.length > 0 ? awake : calls)
    calls = calls.filter((other) => other !== next)
    pass(random.below(3_000) / 1_000)
    next.answer()
    return true
  }

  const anyone = (among: readonly Call[]): Call => among[random.below(among.length)]!

  /** The same one goes on and on while the others stand still, until the ranks change: finds what even chances hardly ever do. */
  const byRank = () => {
    const ranks = new Map<string, number>()
    const rank = ({ process }: Call) => ranks.get(process) ?? 500
    return (among: readonly Call[]): Call => {
      if (random.chance(0.05)) ranks.set(anyone(among).process, random.below(1_000))
      return among.reduce((first, other) => (rank(other) > rank(first) ? other : first))
    }
  }

  const run: Scheduler['run'] = async (done, limit, crash) => {
    const choose = random.chance(0.5) ? byRank() : anyone
    for (let step = 0; step < limit; step++) {
      // Every promise that can go on without the store, or a timer, has done so when this resolves.
      await new Promise((resolve) => setImmediate(resolve))
      if (done()) return true
      steps++
      calls = calls.filter(({ process }) => !dead.has(process))
      const woken = sleepers.filter(({ wake }) => wake <= steps)
      sleepers = sleepers.filter(({ wake }) => wake > steps)
      for (const { go } of woken) go()
      if (crash && crashed(crash.chance, crash.processes)) continue
      if (landed(0.1)) continue
      const idle = !calls.some(({ wake }) => wake <= steps)
      if ((idle || random.chance(0.05)) && fireTimer()) continue
      if (!answered(choose)) landed(1)
    }
    return false
  }

  const killAll = async () => {
    for (const process of processes) dead.add(process)
    // Some may be on their way from an answer to their next call.
    await new Promise((resolve) => setImmediate(resolve))
    calls = []
    sleepers = []
    dropTimers()
    while (landed(1)) trace.push('-- that was late')
  }

  const storeOf: Scheduler['storeOf'] = (process) => {
    processes.add(process)
    return {
      read: (name, options) => call(process, `reads ${name}`, () => log.read(name, options), false),
      append: (name, events, at) =>
        call(process, `appends ${events.map(spelled).join(', ')} to ${name} at ${at}`, () => log.append(name, events, at), true),
      readAll: unasked,
      last: unasked,
      eventAt: unasked,
      subscribe: unasked,
      close: async () => undefined,
    }
  }

  return {
    storeOf,
    isDead: (process) => dead.has(process),
    faults: (next) => {
      faults = next
    },
    sleep: (length) => new Promise((go) => sleepers.push({ wake: steps + length, go })),
    run,
    killAll,
  }
}

const unasked = (): never => {
  throw new Error('commands read and append streams, and nothing else')
}

const spelled = ({ type, data }: { readonly type: string; readonly data: object }): string => {
  const { orderId, orderRevision, was, quantity } = data as { [field: string]: unknown }
  return orderRevision === undefined ? type : `${type} (${orderId} r${orderRevision}: ${was} to ${quantity ?? 'taken'})`
}
