import { type Position, positionOf } from '../eventstore/store.js'
import type { HistoryEvent } from './engine/event.js'
import type { HistoryFilter } from './engine/filter.js'
import { readPlaces } from './engine/places.js'
import { type HistorySource, readHistory } from './engine/read.js'

/** Some events, in the store's order, and where to go on. */
export type HistoryPage = {
  readonly events: readonly HistoryEvent[]
  /** The commit position up to which (forwards) or down to which (backwards) was looked; left out: there is no more. */
  readonly cursor?: bigint
}

export type PageOptions = {
  readonly limit: number
  /** With personal data, but that of users who were erased. */
  readonly personal?: boolean
  readonly signal?: AbortSignal
  readonly budget?: number
}

/** Events that are looked at for one page: what matches rarely is found in several, each after a time that a reader can wait. */
const standardBudget = 200_000

/**
 * The first events of the filter after a commit position (exclusive; left out: from the beginning). A page may be short, or empty, though there
 * is more: then so much was looked at, and the cursor says how far. Throws `UnknownName` and `StoreUnavailable`.
 */
export const pageAfter = async (
  source: HistorySource,
  filter: HistoryFilter,
  after: bigint | undefined,
  { limit, personal = false, signal, budget = standardBudget }: PageOptions,
): Promise<HistoryPage> => {
  const found: HistoryEvent[] = []
  const ending = new AbortController()
  let spent: bigint | undefined
  const reading = readHistory(source, {
    ...filter,
    ...(await startAfter(source, filter, after)),
    personal,
    signal: signal ? AbortSignal.any([signal, ending.signal]) : ending.signal,
    onProgress: ({ position, scanned }) => {
      if (scanned < budget) return
      spent = position.commit
      ending.abort()
    },
  })
  for await (const events of reading) {
    found.push(...events.filter(({ position }) => after === undefined || position > after))
    if (found.length > limit) break
  }
  if (found.length > limit) return { events: found.slice(0, limit), cursor: found[limit - 1]!.position }
  return { events: found, ...(spent !== undefined && { cursor: spent }) }
}

/** By the event itself where it is there; else by the beginning of what comes after it. */
const startAfter = async ({ store }: HistorySource, { from }: HistoryFilter, after: bigint | undefined) => {
  if (after === undefined) return {}
  const event = await store.eventAt({ commit: after, prepare: after })
  if (event) return { after: positionOf(event) }
  return from === undefined ? { from: { position: after + 1n } } : {}
}

/**
 * The last events of the filter before a commit position (exclusive; left out: the end). What nobody has read yet is read once to find
 * them. Pages as `pageAfter` does.
 */
export const pageBefore = async (
  source: HistorySource,
  filter: HistoryFilter,
  before: bigint | undefined,
  { limit, personal = false, signal, budget = standardBudget }: PageOptions,
): Promise<HistoryPage> => {
  const places = await readPlaces(source.folder, source.store, source.storeId)
  const edges = places.map(({ end }) => end).filter(({ commit }) => before === undefined || commit < before)
  let found: readonly HistoryEvent[] = []
  let upper = before
  let scanned = 0
  for (let i = edges.length; i >= 0; i--) {
    const lower = edges[i - 1]
    const window = await lastBetween(source, filter, { lower, upper, most: limit + 1, personal, ...(signal && { signal }) })
    found = [...window.events, ...found]
    scanned += window.scanned
    if (found.length > limit) return { events: found.slice(-limit), cursor: found.at(-limit)!.position }
    upper = lower && lower.commit + 1n
    if (scanned >= budget && upper !== undefined) return { events: found, cursor: upper }
  }
  return { events: found }
}

type Window = {
  readonly lower: Position | undefined
  readonly upper: bigint | undefined
  readonly most: number
  readonly personal: boolean
  readonly signal?: AbortSignal
}

/** The last of the events after `lower` and before `upper`; both exclusive. */
const lastBetween = async (source: HistorySource, filter: HistoryFilter, { lower, upper, most, personal, signal }: Window) => {
  let events: HistoryEvent[] = []
  let scanned = 0
  const ending = new AbortController()
  const reading = readHistory(source, {
    ...filter,
    after: lower,
    personal,
    signal: signal ? AbortSignal.any([signal, ending.signal]) : ending.signal,
    onProgress: (progress) => {
      scanned = progress.scanned
      if (upper !== undefined && progress.position.commit + 1n >= upper) ending.abort()
    },
  })
  for await (const some of reading) {
    events.push(...some.filter(({ position }) => upper === undefined || position < upper))
    if (events.length > 4 * most) events = events.slice(-most)
    if (upper !== undefined && some.at(-1)!.position + 1n >= upper) break
  }
  return { events: events.slice(-most), scanned }
}
