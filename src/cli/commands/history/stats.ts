import type { HistoryFilter } from '../../../history/engine/filter.js'
import { openSql } from '../../../history/sql.js'
import { type Period, statsSql } from '../../../history/stats.js'
import type { Instance } from '../../instance.js'
import { table } from '../../table.js'
import { historyOf, remarkOn } from './source.js'

type Flags = Omit<HistoryFilter, 'types'> & {
  readonly type?: readonly string[]
  readonly by: Period
  readonly plot?: true
  readonly json?: true
}

type Count = { readonly period: string; readonly type: string; readonly events: number }

export const stats = async (instance: Instance, flags: Flags): Promise<void> => {
  const { type: types, by, plot = false, json = false, ...rest } = flags
  const filter: HistoryFilter = { ...rest, types }
  const statement = statsSql(filter, by)
  await remarkOn(historyOf(instance), filter)
  const counts = await count(instance, statement)
  if (json) process.stdout.write(`${JSON.stringify(counts)}\n`)
  else if (plot) process.stdout.write(plotOf(counts))
  else
    process.stdout.write(
      `${table(
        ['period', 'type', 'events'],
        counts.map(({ period, type, events }) => [period, type, events]),
      )}\n`,
    )
}

const count = async (instance: Instance, statement: string): Promise<readonly Count[]> => {
  const { config, database, signal } = instance
  const session = await openSql({
    source: historyOf(instance),
    database,
    limits: { memory: config.historyMemory, threads: config.historyThreads },
    timeout: config.historyTimeout,
  })
  try {
    await session.refresh(statement, signal)
    const asker = await session.connect()
    const counts: Count[] = []
    for await (const rows of (await asker.query(statement, signal)).rows()) {
      for (const [period, type, events] of rows) counts.push({ period: `${period}`, type: `${type}`, events: Number(events) })
    }
    asker.close()
    return counts
  } finally {
    await session.close()
  }
}

const widest = 60

/** A bar for each period, all types together. */
export const plotOf = (counts: readonly Count[]): string => {
  const totals = new Map<string, number>()
  for (const { period, events } of counts) totals.set(period, (totals.get(period) ?? 0) + events)
  const most = Math.max(1, ...totals.values())
  const digits = `${most}`.length
  return [...totals]
    .map(([period, events]) => `${period}  ${`${events}`.padStart(digits)}  ${'█'.repeat(Math.ceil((widest * events) / most))}\n`)
    .join('')
}
