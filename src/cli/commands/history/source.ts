import { join } from 'node:path'
import { positionsOfRows } from '../../../history/engine/find-time.js'
import { type Range, rangeRemarks } from '../../../history/engine/range.js'
import { endsOf, type HistorySource } from '../../../history/engine/read.js'
import type { Instance } from '../../instance.js'

/** The history of the shop that the command has joined. */
export const historyOf = ({
  store,
  storeId,
  config,
  database,
}: Pick<Instance, 'store' | 'storeId' | 'config' | 'database'>): HistorySource => ({
  store,
  storeId,
  folder: join(config.data, 'history'),
  somePositions: positionsOfRows(database),
})

/** Says on the standard error where a range reaches beyond what there is. `to`: the option that the end was given by. */
export const remarkOn = async (source: HistorySource, range: Range, to = '--to'): Promise<void> => {
  if (!range.from && !range.to) return
  const { first, last } = await endsOf(source)
  for (const remark of rangeRemarks(range, first, last)) process.stderr.write(`${remark.replace(/^--to/, to)}\n`)
}
