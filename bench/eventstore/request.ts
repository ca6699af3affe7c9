import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { framed } from '../../src/embedded/eventstore/protocol/framing.js'

/** A request for all of `$all`, framed. */
export const readAllRequest = (subscribe = false): Buffer => {
  const all = new streams.ReadReq.Options.AllOptions()
  all.setStart(new shared.Empty())
  const form = new streams.ReadReq.Options.UUIDOption()
  form.setString(new shared.Empty())
  const options = new streams.ReadReq.Options()
  options.setAll(all)
  if (subscribe) options.setSubscription(new streams.ReadReq.Options.SubscriptionOptions())
  else options.setCount('100000000')
  options.setNoFilter(new shared.Empty())
  options.setUuidOption(form)
  const request = new streams.ReadReq()
  request.setOptions(options)
  return framed(request.serializeBinary())
}
