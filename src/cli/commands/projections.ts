import { availableParallelism, hostname } from 'node:os'
import { InvalidArgumentError } from 'commander'
import { createFeed } from '../../eventstore/feed.js'
import { positionOf } from '../../eventstore/store.js'
import { sleep } from '../../platform/async.js'
import { projections } from '../../projections/all.js'
import { transaction } from '../../projections/engine/batch.js'
import { readCheckpoint } from '../../projections/engine/checkpoint.js'
import { listParked, type Parked } from '../../projections/engine/quarantine.js'
import { renewView, rollback as rollbackTo } from '../../projections/engine/swap.js'
import { retryParked } from '../../projections/operations/retry.js'
import { projectionStatus, type Status } from '../../projections/operations/status.js'
import { verify as verifyRows } from '../../projections/operations/verify.js'
import type { AnyProjection } from '../../projections/projection.js'
import type { Difference } from '../../projections/rebuild/compare.js'
import { type Rebuilt, rebuild as rebuildTables } from '../../projections/rebuild/rebuild.js'
import { runProjections } from '../../projections/runner.js'
import type { Instance } from '../instance.js'
import { createProgress, createTicker } from '../progress.js'
import { table } from '../table.js'

type RebuildFlags = { readonly all?: true; readonly parallel: number; readonly verifyOnly?: true; readonly json?: true }

const names = projections.map(({ name }) => name)

const named = (name: string): AnyProjection => projections.find((projection) => projection.name === name)!

const chosen = (name: string | undefined, all: true | undefined): readonly AnyProjection[] => {
  if ((name === undefined) === (all === undefined)) throw new InvalidArgumentError(`name one of ${names.join(', ')}, or --all`)
  return all ? projections : projections.filter((projection) => projection.name === name)
}

export const list = async ({ database, store }: Instance, { json }: { json?: true }): Promise<void> => {
  const status = await projectionStatus({ client: database.pool, store, projections })
  if (!status) throw new Error('the projections have never run on this database: tillroll serve runs them')
  if (json) return console.log(JSON.stringify(status, plain))
  console.log(described(status))
  const rows = status.projections.map(({ projection, state, live, beside, rows, parked, version }) => [
    projection,
    state,
    live?.generation ?? '-',
    live ? `${live.version}${live.version === version ? '' : ` (here ${version})`}` : '-',
    rows,
    parked,
    beside.map(({ generation, unproven }) => `${generation}${unproven ? ' (not compared yet)' : ''}`).join(', ') || '-',
  ])
  console.log(table(['projection', 'state', 'generation', 'version', 'rows', 'parked', 'beside'], rows))
}

const described = ({ position, head, behind, lastEventAge, holder }: Status): string =>
  [
    `position ${position} of ${head}, ${behind} event${behind === 1 ? '' : 's'} behind`,
    lastEventAge === undefined ? 'no event yet' : `last event ${Math.round(lastEventAge / 1000)} s old`,
    holder === undefined ? 'nobody is projecting' : `projecting: ${holder}`,
  ].join('; ')

export const verify = async ({ database, store }: Instance, name: string, { sample }: { sample?: number }): Promise<void> => {
  const projection = named(name)
  const { rows, differing, differences } = await verifyRows(database.pool, store, projection, {
    ...(sample !== undefined && { sample }),
    onProgress: createTicker(`rows of ${projection.name} folded again`),
  })
  for (const difference of differences) console.log(differenceLines(difference, 'the row', 'its stream').join('\n'))
  if (differing > differences.length) console.log(`  and ${differing - differences.length} more`)
  if (differing > 0) throw new Error(`${differing} of ${rows} rows of ${projection.name} differ from their streams`)
  console.log(`${projection.name}: ${rows} rows are as their streams say`)
}

export const rollback = async ({ database, log }: Instance, name: string): Promise<void> => {
  const projection = named(name)
  const client = await database.pool.connect()
  try {
    const { from, to } = await transaction(client, () => rollbackTo(client, projection))
    console.log(`${projection.name}: generation ${to.generation} is live again, in place of ${from.generation}`)
    const renewed = await renewView(client, projection, to.generation)
    if (!renewed)
      log.warn(`the view tillroll.${projection.name} is in use or depended on: it still shows generation ${from.generation}`)
  } finally {
    client.release(true)
  }
}

export const listQuarantine = async ({ database }: Instance, { json }: { json?: true }): Promise<void> => {
  const parked = await listParked(database.pool)
  if (json) return console.log(JSON.stringify(parked, plain))
  if (parked.length === 0) console.log('nothing is parked')
  for (const { projection, generation, streamId, eventType, revision, error, attempts, firstAt } of parked) {
    console.log(`${projection} (generation ${generation}) ${streamId}: ${eventType} at revision ${revision}: ${error}`)
    console.log(`  since ${firstAt.toISOString()}, ${attempts} attempt${attempts === 1 ? '' : 's'}`)
  }
}

export const retryQuarantine = async ({ database, store }: Instance, streamId: string | undefined): Promise<void> => {
  const client = await database.pool.connect()
  try {
    const wanted = (parked: Parked) => streamId === undefined || parked.streamId === streamId
    const retried = await retryParked(client, store, projections, wanted)
    for (const { parked, error } of retried) console.log(`${parked.projection} ${parked.streamId}: ${error ?? 'is folded again'}`)
    const failed = retried.filter(({ error }) => error !== undefined).length
    if (failed > 0) throw new Error(`${failed} of ${retried.length} stay parked`)
    if (retried.length === 0) console.log('nothing was parked')
  } finally {
    client.release(true)
  }
}

const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)

const holder = `${hostname()} (pid ${process.pid})`

/** Runs the projections too, where nobody else does: a rebuild needs a checkpoint that moves. */
export const rebuild = async (instance: Instance, name: string | undefined, flags: RebuildFlags): Promise<void> => {
  const which = chosen(name, flags.all)
  const { database, store, storeId, config, log } = instance
  const ending = new AbortController()
  const signal = AbortSignal.any([instance.signal, ending.signal])
  const feed = createFeed({ store, log })
  const common = { database, store, projections, storeId, log, holder, leaseTtl: config.leaseTtl, signal }
  const running = runProjections({ ...common, feed })
  const progress = createProgress(flags.json === true)
  try {
    // The first run on a database makes the checkpoint.
    while (!signal.aborted && !(await readCheckpoint(database.pool))) await Promise.race([running, sleep(50, signal)])
    const position = Number(positionOf(await store.last())?.commit ?? 0n)
    const parts = partsFor(flags.parallel, position)
    if (parts < flags.parallel && !flags.json)
      console.error(`in ${parts} part${parts === 1 ? '' : 's'}: more would not make it faster here`)
    const work = rebuildTables({
      ...common,
      projections: which,
      verifyOnly: flags.verifyOnly === true,
      parallel: parts,
      processes: true,
      onProgress: progress.show,
    })
    const rebuilt = await Promise.race([work, running.then(() => work)])
    progress.end()
    report(rebuilt, flags)
  } finally {
    progress.end()
    ending.abort()
    await Promise.allSettled([running])
    await feed.close()
  }
}

/** Bytes of history below which a part is not worth the process that reads it. */
const partSize = 32 * 1024 * 1024

/** No more parts than cores, nor than the history is worth: beyond either, processes only stand in each other's way. */
export const partsFor = (wanted: number, historySize: number, cores = availableParallelism()): number =>
  Math.max(1, Math.min(wanted, cores, Math.ceil(historySize / partSize)))

const report = (rebuilt: readonly Rebuilt[], { json, verifyOnly }: RebuildFlags): void => {
  if (json) console.log(JSON.stringify({ rebuilt }))
  else for (const each of rebuilt) console.log(sentences(each))
  const failed = rebuilt.filter(({ comparison, wrong }) => wrong > 0 || (verifyOnly && (comparison?.differing ?? 0) > 0))
  if (failed.length > 0) throw new Error(`rows differ: ${failed.map(({ projection }) => projection).join(', ')}`)
}

const sentences = ({ projection, generation, resumed, comparison, right, wrong, live }: Rebuilt): string => {
  const lines = [
    `${projection}: generation ${generation}${resumed ? ', resumed,' : ''} ${live ? 'is live' : 'was dropped again'}`,
  ]
  if (comparison) lines.push(`  ${comparison.rows} rows, ${comparison.differing} of them not as the live ones were`)
  for (const difference of comparison?.differences ?? [])
    lines.push(...differenceLines(difference, 'the old generation', 'the new one'))
  if (comparison && comparison.differing > comparison.differences.length)
    lines.push(`  and ${comparison.differing - comparison.differences.length} more`)
  if (right > 0) lines.push(`  ${right} of these rows, folded once more from their streams, are as they were built`)
  if (wrong > 0) lines.push(`  ${wrong} of these rows, folded once more from their streams, are NOT as they were built`)
  return lines.join('\n')
}

const differenceLines = ({ streamId, live, built, columns }: Difference, before: string, after: string): string[] => {
  if (!live) return [`  ${streamId}: only in ${after}`]
  if (!built) return [`  ${streamId}: only in ${before}`]
  return columns.map(
    (name) => `  ${streamId}: ${name} is ${JSON.stringify(live[name])} in ${before}, ${JSON.stringify(built[name])} in ${after}`,
  )
}
