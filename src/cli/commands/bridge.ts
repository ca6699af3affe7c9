import { hostname } from 'node:os'
import { SingleBar } from 'cli-progress'
import { asyncapi } from '../../bridge/asyncapi.js'
import { createSinks } from '../../bridge/backend.js'
import { createGenerations, type TopicGeneration } from '../../bridge/engine/generations.js'
import { type Replayed, type ReplayFrom, type ReplayProgress, replay as replayInto } from '../../bridge/replay.js'
import type { Sinks } from '../../bridge/service.js'
import { positionOf } from '../../eventstore/store.js'
import type { Instance } from '../instance.js'

type ReplayFlags = { readonly to: string; readonly from?: ReplayFrom; readonly live?: true; readonly json?: true }

export const printAsyncapi = (): void => void process.stdout.write(`${JSON.stringify(asyncapi(), null, 2)}\n`)

export const replay = async (instance: Instance, { to, from, live, json }: ReplayFlags): Promise<void> => {
  const { config, signal } = instance
  const sinks = createSinks(instance.database, config)
  const shown = createShown(json === true)
  try {
    const replayed = await replayInto({
      ...instance,
      sinks,
      to,
      ...(from && { from }),
      live: live === true,
      holder: `replay on ${hostname()} (pid ${process.pid})`,
      leaseTtl: config.leaseTtl,
      signal,
      onProgress: shown.show,
    })
    shown.end()
    const { state, records, liveFrom } = replayed
    if (json) return void process.stdout.write(`${JSON.stringify({ ...replayed, liveFrom: `${liveFrom}` })}\n`)
    process.stdout.write(`${records} records written into ${to}: ${said[state](`${liveFrom}`)}\n`)
    if (state === 'interrupted') process.exitCode = 1
  } finally {
    shown.end()
    await sinks.close()
  }
}

const said: { readonly [state in Replayed['state']]: (position: string) => string } = {
  complete: (position) => `complete up to position ${position}; nobody goes on with it (replay again with --live)`,
  live: (position) => `complete up to position ${position}, and live from there`,
  interrupted: () => 'interrupted; the same command goes on where it was',
}

const createShown = (json: boolean) => {
  let bar: SingleBar | undefined
  let last = Number.NEGATIVE_INFINITY
  const drawn = ({ position, target, records }: ReplayProgress): void => {
    if (!bar) {
      bar = new SingleBar({
        format: '[{bar}] {percentage}% | {records} records | {eta_formatted} left',
        stream: process.stderr,
        hideCursor: true,
      })
      bar.start(1_000, 0, { records: 0 })
    }
    bar.update(Number((position * 1_000n) / (target || 1n)), { records })
  }
  const told = ({ position, target, records }: ReplayProgress): void => {
    if (performance.now() - last < 2_000) return
    last = performance.now()
    const percent = Number((position * 100n) / (target || 1n))
    process.stderr.write(
      json
        ? `${JSON.stringify({ position: `${position}`, target: `${target}`, records })}\n`
        : `${percent}%, ${records} records\n`,
    )
  }
  return {
    show: process.stderr.isTTY && !json ? drawn : told,
    end: (): void => {
      bar?.stop()
      bar = undefined
    },
  }
}

export const status = async ({ database, store, config }: Instance, { json }: { json?: true }): Promise<void> => {
  const sinks = createSinks(database, config)
  const [all, last] = [await createGenerations(database, sinks.kind).list(), positionOf(await store.last())]
  await sinks.close()
  if (json)
    return void process.stdout.write(
      `${JSON.stringify(
        all.map((one) => seen(one, last?.commit, sinks)),
        null,
        2,
      )}\n`,
    )
  if (all.length === 0)
    process.stdout.write(`no topic yet in ${sinks.kind}: no bridge has begun one (its log and /health/ready say why)\n`)
  for (const one of all) {
    const { topic, state, position, head, lagMs, lastError, writer } = seen(one, last?.commit, sinks)
    process.stdout.write(`${topic}: ${state}, ${one.partitions} partitions in ${sinks.kind}\n`)
    process.stdout.write(
      `  position ${position ?? 'none'} of ${head ?? 'none'}, ${lagMs === null ? 'lag unknown' : `${lagMs} ms behind`}\n`,
    )
    // Whoever wrote it last has no more to do with it.
    if (state === 'ended') continue
    process.stdout.write(
      `  ${writer ? `${writer.state}, by ${writer.holder}, ${writer.secondsAgo} s ago` : 'no writer has been seen'}\n`,
    )
    if (lastError) process.stdout.write(`  last error at ${lastError.at}: ${lastError.message}\n`)
  }
}

/** A writer that was not heard of for a while has no lag: it has no say. */
const seen = ({ name, state, liveFrom, report, reportedAt }: TopicGeneration, head: bigint | undefined, { kind }: Sinks) => {
  const secondsAgo = reportedAt === null ? undefined : Math.round((Date.now() - reportedAt.getTime()) / 1_000)
  return {
    topic: name,
    sink: kind,
    state,
    liveFrom: liveFrom === undefined ? null : `${liveFrom}`,
    position: report?.position ?? null,
    head: head === undefined ? null : `${head}`,
    lagMs: report && state !== 'ended' && secondsAgo !== undefined && secondsAgo < 10 ? report.lagMs : null,
    lastError: report?.lastError ?? null,
    writer: report && { state: report.state, holder: report.holder, secondsAgo },
  }
}

export const end = async ({ database, config }: Instance, topic: string): Promise<void> => {
  const sinks = createSinks(database, config)
  await createGenerations(database, sinks.kind).move(topic, ['live', 'complete', 'replaying'], 'ended')
  await sinks.close()
  process.stdout.write(`nobody writes into ${topic} any more; what is there stays\n`)
}
