import shared from '@eventstore/db-client/generated/shared_pb.js'
import type { ReadReq as Request } from '@eventstore/db-client/generated/streams_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { messageOf } from '../../../../platform/errors.js'
import type { Store } from '../../storage/store.js'
import type { Access } from '../access.js'
import type { Call, Handler } from '../call.js'
import { makeFilter } from '../filter.js'
import { codes } from '../framing.js'
import { type Encoding, linkTarget } from '../links.js'
import { readAllBackwards, readAllForwards } from '../reading/all.js'
import type { From, SubscriptionFilter } from '../reading/options.js'
import { readStream } from '../reading/stream.js'
import { subscribeToAll } from '../reading/subscribe-all.js'
import { subscribeToStream } from '../reading/subscribe-stream.js'
import { cancelled, invalid, Refused, revisionOf, statusOf, streamDeleted, streamName } from '../requests.js'

const { ReadReq, ReadResp } = streams

export const read =
  (store: Store, access: Access, now: () => number): Handler =>
  (call) => {
    call.onStop(cancelled)
    return {
      message: (bytes) => {
        if (call.isOver()) return
        serve(store, call, ReadReq.deserializeBinary(bytes), { access, now }).then(
          () => call.end(),
          (error: unknown) => call.end(statusOf(error)),
        )
      },
    }
  }

type Context = { readonly access: Access; readonly now: () => number }

const serve = async (store: Store, call: Call, request: Request, { access, now }: Context): Promise<void> => {
  const permissions = access(call.headers)
  const options = request.getOptions()
  if (!options) throw invalid('options are required')
  if (!options.hasUuidOption()) throw invalid('the form of the ids is required')
  const backwards = options.getReadDirection() === ReadReq.Options.ReadDirection.BACKWARDS
  const encoding: Encoding = {
    resolve: options.getResolveLinks() ? (link) => linkTarget(store, link, now()) : undefined,
    structuredIds: options.getUuidOption()!.hasStructured(),
  }
  const filter = filterOf(options)
  const stream = options.getStream()
  const all = options.getAll()
  if (options.hasSubscription() && backwards) throw invalid('a subscription goes forwards')
  if (!options.hasSubscription() && !options.hasCount()) throw invalid('a count or a subscription is required')
  const count = Math.min(Number(options.getCount()), Number.MAX_SAFE_INTEGER)
  if (stream) {
    const name = streamName(stream.getStreamIdentifier())
    permissions.assertMayRead(name)
    const from = fromOf(stream, () => placeOf(stream.getRevision(), revisionOf))
    if (store.stream(name).tombstoned) throw new Refused(streamDeleted(name))
    if (options.hasSubscription()) return subscribeToStream(store, call, { name, from, encoding, now })
    if (from === 'end' && !backwards)
      throw new Refused({ code: codes.unknown, message: 'a stream is not read forwards from its end' })
    if (count === 0) throw new Refused({ code: codes.unknown, message: 'Unexpected ReadStreamResult: Error' })
    const edges = wantsEdges(options)
    const found = await readStream(store, call, { name, from, backwards, count, encoding, edges, now })
    if (!found) call.send(notFound(name))
  } else if (all) {
    permissions.assertMayRead(undefined)
    const from = fromOf(all, () => positionOf(all.getPosition()))
    if (options.hasSubscription()) return subscribeToAll(store, call, { from, encoding, filter })
    if (backwards && typeof from === 'number' && from > store.log.end())
      throw new Refused({ code: codes.unknown, message: 'the position lies beyond the end' })
    await (backwards ? readAllBackwards : readAllForwards)(store, call, { from, count, encoding, filter: filter?.matches })
  } else throw invalid('a stream, or all of them, is required')
}

/** Newer clients (not Node's) say that they understand the messages of a stream's first and last revision, and expect them. */
const wantsEdges = (options: Request.Options): boolean => (options.getControlOption()?.getCompatibility() ?? 0) >= 1

type Ends = { hasStart(): boolean; hasEnd(): boolean }

/** 2^64−1 is the end; what no signed number of 64 bits holds is refused as on a real node. */
const placeOf = (text: string, convert: (text: string) => number): From => {
  const number = BigInt(text)
  if (number === 2n ** 64n - 1n) return 'end'
  if (number >= 2n ** 63n) throw new Refused({ code: codes.unknown, message: `${text} lies beyond 2^63−1` })
  return convert(text)
}

const fromOf = (options: Ends, place: () => From): From => (options.hasStart() ? 'start' : options.hasEnd() ? 'end' : place())

const positionOf = (position: Request.Options.Position | undefined): From => {
  if (!position) throw invalid('a position is required')
  const commit = BigInt(position.getCommitPosition())
  if (commit < BigInt(position.getPreparePosition())) throw invalid('the commit position lies before the prepare position')
  return placeOf(`${commit}`, (text) => Math.min(Number(text), Number.MAX_SAFE_INTEGER))
}

const standardWindow = 32

const filterOf = (options: Request.Options): SubscriptionFilter | undefined => {
  const filter = options.getFilter()
  if (!filter) return undefined
  const on = filter.hasStreamIdentifier() ? 'stream' : 'type'
  const expression = filter.getStreamIdentifier() ?? filter.getEventType()
  if (!expression) throw invalid('a filter is on the stream or the type')
  const regex = expression.getRegex()
  const prefixes = expression.getPrefixList()
  if (regex === '' && prefixes.length === 0) throw invalid('a filter has an expression or prefixes')
  const window = filter.hasMax() ? filter.getMax() : standardWindow
  const multiplier = filter.getCheckpointintervalmultiplier()
  if (options.hasSubscription() && (window < 1 || multiplier < 1))
    throw invalid('the window and the checkpoint interval are at least 1')
  try {
    return { matches: makeFilter({ on, regex, prefixes }), window, checkpointEvery: window * multiplier }
  } catch (error) {
    throw invalid(`the filter's expression ${messageOf(error)}`)
  }
}

const notFound = (name: string): Uint8Array => {
  const identifier = new shared.StreamIdentifier()
  identifier.setStreamName(Buffer.from(name, 'utf8'))
  const missing = new ReadResp.StreamNotFound()
  missing.setStreamIdentifier(identifier)
  const response = new ReadResp()
  response.setStreamNotFound(missing)
  return response.serializeBinary()
}
