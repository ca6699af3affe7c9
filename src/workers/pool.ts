import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AggregatorRegistry, type Registry } from 'prom-client'
import { backoff } from '../platform/async.js'
import type { ConnectionLimits } from '../platform/door.js'
import type { Log } from '../platform/log.js'
import { createPeer, type Peer, PeerGone } from '../platform/peer.js'
import type { Metrics, PrimaryCalls, Stores, WorkerCalls } from './calls.js'
import { createConnections } from './connections.js'
import { createCounters } from './rate-limits.js'

/** What the workers share, answered by the process that forked them. */
export type Shared = {
  readonly registry: Registry
  readonly bridges: () => readonly object[] | undefined
  readonly fail: (error: unknown) => void
}

export type Pool = {
  /** Serves HTTP in all workers; answers the address. A worker that ends by itself is replaced. Throws what prevents the first ones. */
  readonly serve: (at: { readonly host: string; readonly port: number }, stores: Stores, shared: Shared) => Promise<string>
  /** Drains and ends all workers. */
  readonly stop: () => Promise<void>
}

/** As many as there are cores besides the one that projects, bridges and recovers. */
export const workersFor = (cores = availableParallelism()): number => Math.max(1, cores - 1)

type Member = { readonly worker: ChildProcess; readonly peer: Peer<WorkerCalls>; readonly exited: Promise<string> }

/** Milliseconds. */
const stuckAfter = 5_000

const script = fileURLToPath(new URL(`./worker${extname(import.meta.url)}`, import.meta.url))

/** Forks the workers at once: they load their code while the stores start. */
export const forkWorkers = (count: number, limits: ConnectionLimits, log: Log): Pool => {
  const members = new Set<Member>()
  const connections = createConnections(limits)
  const counters = createCounters()
  let shared: Shared | undefined
  let stopping = false

  /** One that says nothing for so long is stuck or stopped, and could answer something older when it wakes: it is replaced. */
  const answered = async ({ worker, exited }: Member, answer: Promise<void>): Promise<void> => {
    const timer = setTimeout(() => {
      log.error({ pid: worker.pid }, `an HTTP worker has not answered for ${stuckAfter} ms and is ended`)
      worker.kill('SIGKILL')
    }, stuckAfter)
    await Promise.race([answer.catch(unlessGone), exited])
    clearTimeout(timer)
  }

  const callsOf = (self: () => Member): PrimaryCalls => ({
    wrote: async (entries) => {
      const others = [...members].filter((member) => member !== self())
      await Promise.all(others.map((other) => answered(other, other.peer.call('wrote', entries))))
    },
    count: counters,
    metrics: () => metricsOf(members, shared!.registry),
    bridges: () => shared?.bridges(),
    failed: (reason) => shared?.fail(reason),
  })

  const forkOne = (): Member => {
    const worker = fork(script, [], { serialization: 'advanced', env: { ...process.env, HTTP_WORKERS: String(count) } })
    const exited = new Promise<string>((resolve) => worker.once('exit', (code, signal) => resolve(signal ?? `code ${code}`)))
    const member: Member = {
      worker,
      exited,
      peer: createPeer<WorkerCalls>(
        worker,
        callsOf(() => member),
      ),
    }
    members.add(member)
    void exited.then(() => members.delete(member))
    return member
  }

  const serveIn = async (member: Member, stores: Stores): Promise<void> => {
    await Promise.race([member.peer.call('serve', stores), endedEarly(member)])
    connections.add(member.worker)
  }

  const replace = async (stores: Stores): Promise<Member | undefined> => {
    for (const pause = backoff(undefined, { first: 100, most: 5_000 }); !stopping; await pause()) {
      const member = forkOne()
      try {
        await serveIn(member, stores)
        return member
      } catch (error) {
        member.worker.kill('SIGKILL')
        if (stopping) return undefined
        log.error({ err: error }, 'an HTTP worker could not be started again')
      }
    }
    return undefined
  }

  const watch = async (first: Member, stores: Stores): Promise<void> => {
    for (let member: Member | undefined = first; member; ) {
      const how = await member.exited
      if (stopping) return
      log.error({ how }, 'an HTTP worker ended unexpectedly and is started again')
      member = await replace(stores)
    }
  }

  const first = Array.from({ length: count }, forkOne)
  return {
    serve: async ({ host, port }, stores, given) => {
      shared = given
      await Promise.all(first.map((member) => serveIn(member, stores)))
      for (const member of first) void watch(member, stores)
      return connections.listen(host, port)
    },
    stop: async () => {
      stopping = true
      await connections.close()
      await Promise.all(
        [...members].map(async ({ peer, exited }) => {
          await peer.call('stop', undefined as never).catch(unlessGone)
          await exited
        }),
      )
    },
  }
}

const unlessGone = (error: unknown): void => {
  if (!(error instanceof PeerGone)) throw error
}

const endedEarly = async ({ exited }: Member): Promise<never> => {
  throw new Error(`an HTTP worker ended before it served (${await exited})`)
}

/** One page of metrics for all processes; a worker that is just ending is left out. */
const metricsOf = async (members: Iterable<Member>, own: Registry): Promise<string> => {
  const ofWorkers = [...members].map(({ peer }) => peer.call('metrics', undefined as never).catch(unlessGone))
  const all = (await Promise.all([own.getMetricsAsJSON(), ...ofWorkers])).filter((one): one is Metrics => one !== undefined)
  return AggregatorRegistry.aggregate(all as object[]).metrics()
}
