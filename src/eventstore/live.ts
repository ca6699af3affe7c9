import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { mayBeInsideRecord, unavailable } from './failures.js'
import { type Channel, framed, messagesOf, NotLeader, statusOf } from './grpc.js'
import { decodeEvent, recorded } from './scan-decode.js'
import { type Position, PositionLost, type RecordedEvent, StoreUnavailable, type SubscribeOptions } from './store.js'

const path = '/event_store.client.streams.Streams/Read'
/** Of a `ReadResp`, as the first byte of the message: its field 2, of the wire type for messages. */
const confirmation = 0x12

/**
 * See `Store.subscribe`. The client's own subscription costs several times as much for each event. `standsInside` reads the position to
 * tell whether it is inside an event: how a subscription ends doesn't tell it for sure.
 */
export async function* subscribeAll(
  channel: Channel,
  after: Position | undefined,
  { signal, onConfirmed }: SubscribeOptions,
  standsInside: (position: Position) => Promise<boolean>,
): AsyncGenerator<RecordedEvent> {
  if (signal.aborted) return
  const call = await channel.call(path)
  const status = statusOf(call)
  const stop = (): void => {
    call.destroy()
  }
  signal.addEventListener('abort', stop, { once: true })
  call.end(framed(subscription(after)))
  try {
    for await (const messages of messagesOf(call)) {
      for (const { bytes, from, to } of messages) {
        const event = decodeEvent(bytes, from, to)
        if (event) yield recorded(event)
        else if (bytes[from] === confirmation) onConfirmed?.()
      }
    }
    if (signal.aborted) return
    await status()
    throw new StoreUnavailable('the subscription was ended by the event store')
  } catch (error) {
    if (signal.aborted) return
    if (error instanceof NotLeader) channel.redirect(error.leader)
    if (after && mayBeInsideRecord(error) && (await standsInside(after))) throw new PositionLost(after, { cause: error })
    throw unavailable(error)
  } finally {
    signal.removeEventListener('abort', stop)
    call.destroy()
  }
}

/** `$all` from the position on, the system's events left out. */
const subscription = (after: Position | undefined): Uint8Array => {
  const all = new streams.ReadReq.Options.AllOptions()
  if (after) {
    const position = new streams.ReadReq.Options.Position()
    position.setCommitPosition(`${after.commit}`)
    position.setPreparePosition(`${after.prepare}`)
    all.setPosition(position)
  } else all.setStart(new shared.Empty())
  const ours = new streams.ReadReq.Options.FilterOptions.Expression()
  ours.setRegex('^[^$].*')
  const filter = new streams.ReadReq.Options.FilterOptions()
  filter.setEventType(ours)
  filter.setCount(new shared.Empty())
  filter.setCheckpointintervalmultiplier(1)
  const form = new streams.ReadReq.Options.UUIDOption()
  form.setString(new shared.Empty())
  const options = new streams.ReadReq.Options()
  options.setAll(all)
  options.setSubscription(new streams.ReadReq.Options.SubscriptionOptions())
  options.setFilter(filter)
  options.setUuidOption(form)
  const request = new streams.ReadReq()
  request.setOptions(options)
  return request.serializeBinary()
}
