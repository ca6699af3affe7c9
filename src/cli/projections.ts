import { hostname } from 'node:os'
import { Argument, Command, InvalidArgumentError } from 'commander'
import { createFeed } from '../eventstore/feed.js'
import { readConfig } from '../platform/config.js'
import { projections } from '../projections/all.js'
import type { Difference } from '../projections/compare.js'
import type { AnyProjection } from '../projections/projection.js'
import { type Rebuilt, rebuild } from '../projections/rebuild.js'
import { runProjections } from '../projections/runner.js'
import { projectionStatus, type Status } from '../projections/status.js'
import type { Instance, WithInstance } from './instance.js'
import { createProgress } from './progress.js'

type RebuildFlags = { readonly all?: true; readonly verifyOnly?: true; readonly json?: true }

const names = projections.map(({ name }) => name)

export const projectionsCommand = (withInstance: WithInstance): Command => {
  const command = new Command('projections').description('the read models')
  command
    .command('list')
    .description('where they stand')
    .option('--json', 'for a program to read')
    .action((flags: { json?: true }) => withInstance(readConfig(), (instance) => list(instance, flags)))
  command
    .command('rebuild')
    .description('build new tables beside the live ones, compare them, and make them live')
    .addArgument(new Argument('[name]').choices(names))
    .option('--all', 'every projection, in one reading')
    .option('--verify-only', 'build and compare, and leave the live ones live; exits 1 where rows differ')
    .option('--json', 'for a program to read')
    .action((name: string | undefined, flags: RebuildFlags) =>
      withInstance(readConfig(), (instance) => rebuildThem(instance, chosen(name, flags.all), flags)),
    )
  return command
}

const chosen = (name: string | undefined, all: true | undefined): readonly AnyProjection[] => {
  if ((name === undefined) === (all === undefined)) throw new InvalidArgumentError(`name one of ${names.join(', ')}, or --all`)
  return all ? projections : projections.filter((projection) => projection.name === name)
}

const list = async ({ database, store }: Instance, { json }: { json?: true }): Promise<void> => {
  const status = await projectionStatus({ client: database.pool, store, projections })
  if (!status) throw new Error('the projections have never run on this database: tillroll serve runs them')
  if (json) return console.log(JSON.stringify(status, (_, value) => (typeof value === 'bigint' ? Number(value) : value)))
  console.log(described(status))
  console.table(
    Object.fromEntries(
      status.projections.map(({ projection, state, live, beside, rows, parked, version }) => [
        projection,
        {
          state,
          generation: live?.generation ?? '',
          version: live ? `${live.version}${live.version === version ? '' : ` (here ${version})`}` : '',
          beside: beside.map(({ generation }) => generation).join(', '),
          rows,
          parked,
        },
      ]),
    ),
  )
}

const described = ({ position, head, behind, lastEventAge, holder }: Status): string =>
  [
    `position ${position} of ${head}, ${behind} event${behind === 1 ? '' : 's'} behind`,
    lastEventAge === undefined ? 'no event yet' : `last event ${Math.round(lastEventAge / 1000)} s old`,
    holder === undefined ? 'nobody is projecting' : `projecting: ${holder}`,
  ].join('; ')

const holder = `${hostname()} (pid ${process.pid})`

/** Runs the projections too, where nobody else does: a rebuild needs a checkpoint that moves. */
const rebuildThem = async (instance: Instance, which: readonly AnyProjection[], flags: RebuildFlags): Promise<void> => {
  const { database, store, storeId, config, log } = instance
  const ending = new AbortController()
  const signal = AbortSignal.any([instance.signal, ending.signal])
  const feed = createFeed({ store, log })
  const common = { database, store, projections, storeId, log, holder, leaseTtl: config.leaseTtl, signal }
  const running = runProjections({ ...common, feed })
  const progress = createProgress(flags.json === true)
  try {
    const work = rebuild({ ...common, projections: which, verifyOnly: flags.verifyOnly === true, onProgress: progress.show })
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
  for (const difference of comparison?.differences ?? []) lines.push(...differenceLines(difference))
  if (right > 0) lines.push(`  ${right} of these rows, folded once more from their streams, are as they were built`)
  if (wrong > 0) lines.push(`  ${wrong} of these rows, folded once more from their streams, are NOT as they were built`)
  return lines.join('\n')
}

const differenceLines = ({ streamId, live, built, columns }: Difference): string[] => {
  if (!live) return [`  ${streamId}: only in the new generation`]
  if (!built) return [`  ${streamId}: only in the old generation`]
  return columns.map((name) => `  ${streamId}: ${name} was ${JSON.stringify(live[name])}, is ${JSON.stringify(built[name])}`)
}
