import type { Pages, RecordsFrom, TopicRecord } from '../topic.js'
import { protocolError } from './errors.js'
import type { Chunk, Connected, Extent, KafkaRecord } from './fetch.js'

/** Throws what the two below know; everything else is waited out. */
export type Using = <T>(work: (connected: Pick<Connected, 'extents' | 'fetch'>) => Promise<T>) => Promise<T>

const saysOf = (type: string) => (error: unknown) => protocolError(error) === type
/** Older than what is kept, or beyond the end. */
export const isOutOfRange = saysOf('OFFSET_OUT_OF_RANGE')
export const isAbsent = saysOf('UNKNOWN_TOPIC_OR_PARTITION')

type Positioned = KafkaRecord & { readonly position: bigint }

/** The bridge's own, by their position; what somebody else has put there has none. */
const positioned = (records: readonly KafkaRecord[]): Positioned[] =>
  records.flatMap((record) => {
    const position = `${record.headers.ce_position}`
    return /^\d+$/.test(position) ? [{ ...record, position: BigInt(position) }] : []
  })

type PartitionPages = {
  readonly partition: number
  next: bigint
  /** Read, and not yet given out. */
  waiting: Positioned[]
  /** Nothing will come any more in this partition up to this position. */
  settled: bigint
}

/**
 * The partitions, merged by position. A transaction becomes visible in one partition after another, and what is missing in one may have
 * happened before what is there in another: so a record is given out only once each partition was seen to hold nothing undecided, by a
 * question that was asked after the record was there. (What is part of its transaction, or of an earlier one, was written by then.)
 */
export const pagesOf = (
  using: Using,
  topic: string,
  { partition, offset = 0, after: first = -1n }: Omit<RecordsFrom, 'limit'>,
): Pages => {
  let after = first
  let seen = first
  let parts: readonly PartitionPages[] | undefined

  const begin = (): Promise<readonly PartitionPages[]> =>
    using(async (connected) => {
      const wanted = (await connected.extents()).filter((one) => partition === undefined || one.partition === partition)
      const begun = wanted.map(async (extent) => {
        const found = await placeAfter(connected, extent, after)
        const next = found > BigInt(offset) ? found : BigInt(offset)
        return { partition: extent.partition, next, waiting: [], settled: -1n, there: next <= extent.stable }
      })
      return (await Promise.all(begun)).filter(({ there }) => there)
    })

  const take = (of: readonly PartitionPages[], into: TopicRecord[], limit: number): void => {
    while (into.length < limit) {
      const heads = of.filter(({ waiting }) => waiting.length > 0)
      if (heads.length === 0) return
      const part = heads.reduce((a, b) => (b.waiting[0]!.position < a.waiting[0]!.position ? b : a))
      const [record] = part.waiting
      if (of.some(({ waiting, settled }) => waiting.length === 0 && settled < record!.position)) return
      part.waiting.shift()
      into.push(recordOf(topic, part.partition, record!))
      after = record!.position
    }
  }

  /** Whether anything is known now that was not before. */
  const absorb = (part: PartitionPages, chunk: Chunk, asked: bigint): boolean => {
    const moved = chunk.next > part.next
    part.next = chunk.next
    part.waiting = positioned(chunk.records)
    const last = part.waiting.at(-1)?.position ?? -1n
    if (last > seen) seen = last
    if (chunk.next < chunk.end) return moved
    const settled = last > asked ? last : asked
    const more = settled > part.settled
    if (more) part.settled = settled
    return moved || more
  }

  const fill = async (of: readonly PartitionPages[], page: TopicRecord[], limit: number): Promise<void> => {
    for (;;) {
      take(of, page, limit)
      const empty = of.filter(({ waiting }) => waiting.length === 0)
      if (page.length >= limit || empty.length === 0) return
      const asked = seen
      const chunks = await using(({ fetch }) => fetch(empty.map(({ partition, next }) => ({ partition, offset: next }))))
      const moved = chunks.filter((chunk) => absorb(empty.find((part) => part.partition === chunk.partition)!, chunk, asked))
      if (moved.length > 0) continue
      // Where somebody has had the topic compacted there may be nothing at an offset, and nothing is sent.
      const gaps = empty.filter(({ partition, next }) => chunks.some((one) => one.partition === partition && one.stable > next))
      if (gaps.length === 0) return
      for (const part of gaps) part.next++
    }
  }

  const next: Pages['next'] = async (limit) => {
    const page: TopicRecord[] = []
    for (let tries = 1; ; tries++) {
      try {
        parts ??= await begin()
        await fill(parts, page, limit)
        return page
      } catch (error) {
        if (isAbsent(error)) return page
        // The next page meets it again.
        if (page.length > 0) return page
        // What comes next is not kept any more: on with what is.
        if (!isOutOfRange(error) || tries === 3) throw error
        parts = undefined
      }
    }
  }
  return { next }
}

/**
 * The offset of the first record after the position. Positions rise in a partition, so it is found by halving, near the end first, where
 * most who come back have been.
 */
const placeAfter = async (
  { fetch }: Pick<Connected, 'fetch'>,
  { partition, low, stable }: Extent,
  after: bigint,
): Promise<bigint> => {
  if (after < 0n) return low
  let [from, to] = [low, stable]
  let step = 64n
  while (from < to) {
    const back = to - step
    const at = step > 0n ? (back > from ? back : from) : (from + to) / 2n
    const records = await firstFrom(fetch, partition, at, to)
    const later = records.find(({ position }) => position > after)
    const earlier = records.findLast(({ position }) => position <= after)
    if (later && earlier) return BigInt(later.offset)
    if (earlier) {
      from = BigInt(earlier.offset) + 1n
      step = 0n
    } else {
      to = at
      step *= 16n
    }
  }
  return from
}

/** The first records that there are from the offset on and before the other; none, or some. */
const firstFrom = async (
  fetch: Connected['fetch'],
  partition: number,
  from: bigint,
  to: bigint,
): Promise<readonly Positioned[]> => {
  for (let offset = from; offset < to; ) {
    const [chunk] = await fetch([{ partition, offset }])
    const records = positioned(chunk!.records)
    if (records.length > 0) return records
    offset = chunk!.next > offset ? chunk!.next : offset + 1n
  }
  return []
}

const recordOf = (topic: string, partition: number, record: Positioned): TopicRecord => ({
  topic,
  partition,
  offset: Number(record.offset),
  key: `${record.key}`,
  headers: Object.fromEntries(Object.entries(record.headers).map(([name, value]) => [name, `${value}`])),
  value: JSON.parse(`${record.value}`),
  time: new Date(Number(record.timestamp)).toISOString(),
  position: `${record.position}`,
})
