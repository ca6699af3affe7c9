import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Position, RecordedEvent, Store } from '../../eventstore/store.js'
import { writeWhole } from '../../platform/files.js'
import type { Range } from './range.js'

/** A block of the history that was read once: the position and id of its last event, and the earliest and the latest `at` in it. */
export type Block = { readonly end: Position; readonly id: string; readonly minAt: number; readonly maxAt: number }

/**
 * The blocks from the history's beginning, without a gap. A store can be read from the positions of its events alone, and events of
 * different streams are not in the order of their times: so whoever reads the history notes where which times are, for the next one.
 */
export type Places = readonly Block[]

export const blockSize = 8_192

const stored = z.object({
  storeId: z.string(),
  blocks: z.array(z.tuple([z.string(), z.string(), z.string(), z.number(), z.number()])),
})

const fileOf = (folder: string): string => join(folder, 'places.json')

/** Those of this store; none where the file is missing, another store's or of a state that the store was put back from. */
export const readPlaces = async (folder: string, store: Pick<Store, 'eventAt'>, storeId: string): Promise<Places> => {
  const text = await readFile(fileOf(folder), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  const parsed = stored.safeParse(text === undefined ? undefined : jsonOf(text))
  if (!parsed.success || parsed.data.storeId !== storeId) return []
  const places = parsed.data.blocks.map(
    ([commit, prepare, id, minAt, maxAt]): Block => ({
      end: { commit: BigInt(commit), prepare: BigInt(prepare) },
      id,
      minAt,
      maxAt,
    }),
  )
  const last = places.at(-1)
  if (!last) return []
  const event = await store.eventAt(last.end)
  return event?.id === last.id ? places : []
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const writePlaces = async (folder: string, storeId: string, places: Places): Promise<void> => {
  const blocks = places.map(({ end, id, minAt, maxAt }) => [`${end.commit}`, `${end.prepare}`, id, minAt, maxAt])
  await mkdir(dirname(fileOf(folder)), { recursive: true })
  await writeWhole(fileOf(folder), JSON.stringify({ storeId, blocks }), 0o600)
}

/** A part of `$all`: after an event (exclusive; left out: from the beginning) up to a commit position (inclusive; left out: to the end). */
export type Stretch = { readonly after?: Block; readonly upTo?: bigint }

/** What must be read to see every event of the range: the known blocks that may hold one, and all that isn't known yet. */
export const stretchesOf = (places: Places, range: Range): readonly Stretch[] => {
  const mayHold = blockFilter(range)
  const stretches: Stretch[] = []
  let open: { after?: Block; upTo: bigint } | undefined
  for (const [i, block] of places.entries()) {
    const before = places[i - 1]
    if (!mayHold(before?.end.commit ?? -1n, block)) {
      open = undefined
    } else if (open) {
      open.upTo = block.end.commit
    } else {
      open = { ...(before && { after: before }), upTo: block.end.commit }
      stretches.push(open)
    }
  }
  const last = places.at(-1)
  const end = range.to && 'position' in range.to ? range.to.position - 1n : undefined
  if (end !== undefined && last && last.end.commit >= end) return stretches
  // The last of the known blocks, if it is read, is read on into what is not known.
  if (open && stretches.at(-1) === open) stretches.pop()
  return [
    ...stretches,
    { ...(open ? open.after && { after: open.after } : last && { after: last }), ...(end !== undefined && { upTo: end }) },
  ]
}

const blockFilter = ({ from, to }: Range): ((before: bigint, block: Block) => boolean) => {
  const fromTime = from && 'time' in from ? Date.parse(from.time) : Number.NEGATIVE_INFINITY
  const toTime = to && 'time' in to ? Date.parse(to.time) : Number.POSITIVE_INFINITY
  const fromPosition = from && 'position' in from ? from.position : -1n
  return (before, { end, minAt, maxAt }) =>
    maxAt >= fromTime && minAt < toTime && end.commit >= fromPosition && !(to && 'position' in to && before >= to.position - 1n)
}

// A block without anything to show has no time in it.
const nothing: readonly [number, number, number] = [0, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]

/** Notes the blocks of a reading that goes on from the end of the known ones. */
export const createSurvey = (known: Places) => {
  const blocks: Block[] = [...known]
  const edge = known.at(-1)?.end.commit ?? -1n
  let seen = edge
  let [count, minAt, maxAt] = nothing
  return {
    /** The commit position up to which everything was known before. */
    edge,
    /** `at`: its time, where the event is one to be shown. One that was seen, or is known, already is passed over. */
    saw: (
      { position, preparePosition, id }: Pick<RecordedEvent, 'position' | 'preparePosition' | 'id'>,
      at: number | undefined,
    ): void => {
      if (position <= seen) return
      seen = position
      if (at !== undefined) {
        minAt = Math.min(minAt, at)
        maxAt = Math.max(maxAt, at)
      }
      if (++count < blockSize) return
      blocks.push({ end: { commit: position, prepare: preparePosition }, id, minAt, maxAt })
      ;[count, minAt, maxAt] = nothing
    },
    places: (): Places => blocks,
  }
}
