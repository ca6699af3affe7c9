import { setTimeout as sleep } from 'node:timers/promises'
import { createRig, type Rig, type RigOptions } from './rig.js'

export type Fault = {
  readonly name: string
  /** One round; what it throws fails it. Answers what is worth a word at the end. */
  readonly round: (rig: Rig, random: Random) => Promise<void>
  /** How many bridges run at once. */
  readonly bridges: number
  /** Rounds between two looks at the whole topic. */
  readonly lookEvery?: number
  readonly summary?: () => string
  readonly through?: RigOptions['through']
  readonly leaseTtl?: number
  /** When all rounds are over. */
  readonly end?: () => Promise<void>
}

export type Where = {
  readonly brokers?: readonly string[] | undefined
  /** Default: both, Kafka where there are brokers. */
  readonly kinds?: readonly ('postgres' | 'kafka')[]
}

export type Random = (from: number, to: number) => number

/** ROUNDS, or as many as fit into SECONDS, split between the kinds of topic; the last line is `N passed, N failed`. */
export const runFault = async (fault: Fault, where: Where = {}): Promise<void> => {
  const { brokers = kafkaBrokers(), kinds = ['postgres', 'kafka'] } = where
  const wanted = kinds.filter((kind) => (!only || only === kind) && (kind === 'postgres' || brokers))
  const total = { passed: 0, failed: 0 }
  try {
    for (const kind of wanted) {
      const { passed, failed } = await rounds(fault, kind === 'kafka' ? brokers : undefined, seconds / wanted.length)
      total.passed += passed
      total.failed += failed
    }
  } finally {
    await fault.end?.()
  }
  console.log(`${total.passed} passed, ${total.failed} failed`)
  process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0)
}

const only = process.env.SINK
const seconds = Number(process.env.SECONDS ?? (process.env.ROUNDS ? 36_000 : 60))
const most = Number(process.env.ROUNDS ?? 100_000)
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

export const kafkaBrokers = (): readonly string[] | undefined => process.env.KAFKA_BROKERS?.split(',')

const rounds = async (fault: Fault, brokers: readonly string[] | undefined, budget: number) => {
  const random = randomOf(seed)
  const into = brokers ? 'Kafka' : 'Postgres'
  const { through, leaseTtl = 300 } = fault
  const rig = await createRig({ kafkaBrokers: brokers, leaseTtl, ...(through && { through }) })
  const end = performance.now() + budget * 1_000
  let passed = 0
  let failed = 0
  let unseen = 0
  let worth = ''
  const look = async () => {
    await rig.load.pause()
    const { wrong, records, uncommitted, states } = await rig.check()
    rig.load.go()
    worth = `${records} records, each once and in order; ${uncommitted} more in transactions that were given up`
    if (wrong.length > 0) {
      console.log(
        `${fault.name}, ${into}: WRONG within the last ${unseen} rounds (SEED=${seed}):\n  ${[...wrong.slice(0, 3), `(${wrong.length} in all)`, ...states].join('\n  ')}`,
      )
      failed += unseen
    } else passed += unseen
    unseen = 0
  }
  for (let i = 0; i < fault.bridges; i++) rig.startWorker()
  while (passed + failed + unseen < most && performance.now() < end && failed === 0) {
    try {
      await fault.round(rig, random)
      if (rig.died()) throw new Error(rig.died())
      unseen++
      if (unseen >= (fault.lookEvery ?? 10)) await look()
    } catch (error) {
      failed++
      console.log(`${fault.name}, ${into}: round failed (SEED=${seed}): ${error instanceof Error ? error.stack : error}`)
    }
  }
  if (unseen > 0) await look()
  for (const { said } of rig.workers) if (said().state === 'stopped') console.log(`a bridge has stopped: ${said().lastError}`)
  const errors = [...rig.workers].reduce((sum, { said }) => sum + said().errors, 0)
  console.log(
    `${fault.name}, ${into}: ${passed} rounds; ${worth}; the bridges that are left began anew ${errors} times${fault.summary ? `; ${fault.summary()}` : ''} (SEED=${seed})`,
  )
  await rig.close()
  return { passed, failed }
}

/** mulberry32, by Tommy Ettinger: the same waits for the same seed. */
const randomOf = (start: number): Random => {
  let state = start
  return (from, to) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return from + (((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * (to - from)
  }
}

export const pause = (milliseconds: number): Promise<void> => sleep(milliseconds)
