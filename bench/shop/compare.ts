import { type Loaded, type Measured, measure, medians, ratioOf } from './measure.js'
import type { Options } from './options.js'
import type { Result } from './report.js'
import type { Row } from './rows.js'

/** One row at so many connections: the other and ours in turn, some rounds. */
export const compare = async (
  row: Row,
  connections: number,
  ours: Loaded,
  other: Loaded | undefined,
  { seconds, rounds }: Pick<Options, 'seconds' | 'rounds'>,
): Promise<Result> => {
  const load = { request: row.request, connections, seconds, ...(row.narrow && { narrow: row.narrow }) }
  for (const shop of other ? [other, ours] : [ours]) {
    await lengthen(shop, row)
    await measure(shop, { ...load, seconds: 1 }, row.beside)
  }
  const of = { ours: [] as Measured[], other: [] as Measured[] }
  for (let round = 0; round < rounds; round++) {
    if (other) of.other.push(await measure(other, load, row.beside))
    of.ours.push(await measure(ours, load, row.beside))
  }
  const beside = other && { plain: medians(of.other), ratio: ratioOf(of.ours, of.other) }
  return { row: row.name, connections, ours: medians(of.ours), ...beside, ...(row.against && { against: row.against }) }
}

/** Changes the one cart until so many events are in its stream. */
const lengthen = async (shop: Loaded, { events = 0, request, narrow = {} }: Row): Promise<void> => {
  for (let made = 0; made < events; ) made += (await shop.load({ request, narrow, connections: 16, seconds: 2 })).count
}
