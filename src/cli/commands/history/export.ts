import { once } from 'node:events'
import { InvalidArgumentError } from 'commander'
import type { Format } from '../../../history/engine/export-target.js'
import type { HistoryFilter } from '../../../history/engine/filter.js'
import { exportHistory, streamHistory } from '../../../history/export.js'
import type { Instance } from '../../instance.js'
import { createProgress } from '../../progress.js'
import { historyOf, remarkOn } from './source.js'

export type ExportFlags = Omit<HistoryFilter, 'types'> & {
  readonly type?: readonly string[]
  readonly format: Format
  readonly out?: string
  readonly withPersonalData?: true
  readonly json?: true
}

export const exportTo = async (instance: Instance, flags: ExportFlags): Promise<void> => {
  const { type: types, format, out, withPersonalData: personal = false, json = false, ...rest } = flags
  const filter: HistoryFilter = { ...rest, types }
  const source = historyOf(instance)
  await remarkOn(source, filter)
  if (out === undefined) return print(instance, filter, format, personal)

  const progress = createProgress(json)
  const [begin, end] = await bounds(instance, filter)
  let from: { readonly events: number; readonly done: number } | undefined
  const { complete, events, position } = await exportHistory(source, {
    format,
    filter,
    personal,
    out,
    work: process.argv.slice(2).join(' '),
    limits: { memory: instance.config.historyMemory, threads: instance.config.historyThreads },
    signal: instance.signal,
    onProgress: (now) => {
      const share = now.phase === 'writing' ? now.share : Number(now.position - begin) / Math.max(1, Number(end - begin))
      const done = Math.min(1, Math.max(0, share))
      from ??= { events: now.events, done }
      progress.show({ phase: now.phase, events: now.events, done, from })
    },
  }).finally(progress.end)
  if (complete) return void process.stderr.write(`${events} events are in ${out}\n`)
  process.stderr.write(
    `interrupted at position ${position ?? 0}, with ${events} events so far: the same command goes on from there\n`,
  )
  process.exitCode = 130
}

/** To the standard output, for another program. */
const print = async (instance: Instance, filter: HistoryFilter, format: Format, personal: boolean): Promise<void> => {
  if (format === 'parquet') throw new InvalidArgumentError('Parquet is not written to the terminal: name a folder with --out')
  if (format === 'csv' && filter.types?.length !== 1) {
    throw new InvalidArgumentError('CSV has a file for each event type: name a folder with --out, or one event type with --type')
  }
  // A reader that has seen enough (`| head`) closes the pipe.
  process.stdout.once('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  await streamHistory(historyOf(instance), { format, filter, personal, signal: instance.signal }, async (text) => {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain')
  })
}

/** Between which positions the reading will be. */
const bounds = async ({ store }: Instance, { from, to }: HistoryFilter): Promise<readonly [bigint, bigint]> => [
  from && 'position' in from ? from.position : 0n,
  to && 'position' in to ? to.position : ((await store.last())?.position ?? 0n),
]
