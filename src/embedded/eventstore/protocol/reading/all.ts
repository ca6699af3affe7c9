import { openEvent } from '../../storage/event.js'
import type { Chunk } from '../../storage/log/chunk.js'
import type { Store } from '../../storage/store.js'
import type { Call } from '../call.js'
import type { Filter } from '../filter.js'
import { codes } from '../framing.js'
import type { Encoding } from '../links.js'
import { Refused } from '../requests.js'
import type { From } from './options.js'
import { beginAt } from './position.js'
import { createSink, pack } from './sink.js'

export type AllOptions = {
  readonly from: From
  readonly count: number
  readonly encoding: Encoding
  readonly filter: Filter | undefined
}

const begin = async (store: Store, { from, filter }: AllOptions): Promise<number> => {
  const place = await beginAt(store, from as number)
  if (place !== undefined) return place
  const result = filter ? 'FilteredReadAllResult' : 'ReadAllResult'
  throw new Refused({ code: codes.unknown, message: `Unexpected ${result}: InvalidPosition` })
}

/** `$all` from a position (inclusive) to what was its end when the read began. The next chunk is read while one is sent. */
export const readAllForwards = async (store: Store, call: Call, options: AllOptions): Promise<void> => {
  const { log } = store
  const end = log.end()
  let left = options.count
  const from = options.from === 'start' ? 0 : options.from === 'end' ? end : await begin(store, options)
  let ahead = from < end ? log.forward(from) : undefined
  while (ahead && left > 0) {
    const chunk = await ahead
    if (!chunk) return
    ahead = chunk.next < end ? log.forward(chunk.next) : undefined
    // It is waited for only when this chunk is sent, if ever.
    ahead?.catch(() => undefined)
    // What was appended since is not part of this read.
    const count = chunk.next <= end ? chunk.positions.length : chunk.positions.findIndex((position) => position >= end)
    const sent = await send(call, chunk, count < 0 ? chunk.positions.length : count, left, options)
    if (sent === undefined) return
    left -= sent
  }
}

/** `$all` before a position, the latest first. */
export const readAllBackwards = async (store: Store, call: Call, options: AllOptions): Promise<void> => {
  const { log } = store
  let left = options.count
  let before = options.from === 'start' ? 0 : options.from === 'end' ? log.end() : await begin(store, options)
  while (left > 0) {
    const chunk = await log.backward(before)
    if (!chunk) return
    const sent = await send(call, chunk, chunk.positions.length, left, options)
    if (sent === undefined) return
    left -= sent
    before = chunk.next
  }
}

/** Answers how many events were sent; `undefined` when nobody listens any more. */
const send = async (call: Call, chunk: Chunk, count: number, limit: number, options: AllOptions): Promise<number | undefined> => {
  const { encoding, filter } = options
  const asStored = filter === undefined && encoding.resolve === undefined && !encoding.structuredIds
  // Backwards, the chunk's events lie the other way round than they are sent: they can't be packed where they are.
  const inOrder = chunk.offsets.length < 2 || chunk.offsets[0]! < chunk.offsets[1]!
  if (asStored && inOrder) {
    const taken = Math.min(count, limit)
    return taken === 0 || (await call.write(pack(chunk, taken))) ? taken : undefined
  }
  const sink = createSink(call, encoding)
  let sent = 0
  for (let i = 0; i < count && sent < limit; i++) {
    const event = openEvent(chunk.buffer, chunk.offsets[i]!)
    if (filter && !filter(event)) continue
    sink.event(event, chunk.offsets[i]!, chunk.sizes[i]!)
    sent++
    if (sink.isFull() && !(await sink.flush())) return undefined
  }
  return (await sink.flush()) ? sent : undefined
}
