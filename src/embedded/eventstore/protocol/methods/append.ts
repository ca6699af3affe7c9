import shared from '@eventstore/db-client/generated/shared_pb.js'
import type { AppendReq as AppendRequest } from '@eventstore/db-client/generated/streams_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { expected } from '../../storage/expected-revision.js'
import type { Outcome } from '../../storage/outcome.js'
import type { Store } from '../../storage/store.js'
import type { Access } from '../access.js'
import type { Call, Handler } from '../call.js'
import { exhausted } from '../framing.js'
import {
  appendTooLarge,
  type Collected,
  collect,
  expectationOf,
  invalid,
  newEvent,
  Refused,
  refusalOf,
  statusOf,
  streamName,
  writeTimeout,
} from '../requests.js'

const { AppendReq, AppendResp } = streams
const { Empty } = shared

type Target = Collected & { readonly name: string; readonly expectation: number }

/** The options first, then one event a message; answered when the client has sent all. */
export const append =
  (store: Store, access: Access, now: () => number): Handler =>
  (call) => {
    let target: Target | undefined
    const refused = (error: unknown): void => call.end(statusOf(error))
    return {
      message: (bytes) => {
        if (call.isOver()) return
        try {
          if (!call.hold(bytes.length)) throw new Refused(exhausted)
          const first = target === undefined
          target = take(target, AppendReq.deserializeBinary(bytes))
          if (first) access(call.headers).assertMayWrite(target.name)
        } catch (error) {
          refused(error)
        }
      },
      end: () => {
        if (call.isOver()) return
        if (!target) {
          refused(invalid('the first message of an append holds its options'))
          return
        }
        const { name, expectation, events } = target
        // A client that was cut short may say that this is the end, and only then that it gave up: the later that is looked at, the better.
        store.append(
          name,
          expectation,
          events,
          now() + writeTimeout,
          (outcome) => answer(call, name, expectation, outcome),
          call.isOver,
        )
      },
    }
  }

const take = (target: Target | undefined, request: AppendRequest): Target => {
  const options = request.getOptions()
  if (options) {
    if (target) throw invalid('an append has its options once')
    const revision = options.hasRevision() ? options.getRevision() : undefined
    const expectation = expectationOf(options, revision)
    return { name: streamName(options.getStreamIdentifier()), expectation, events: [], bytes: 0 }
  }
  const proposed = request.getProposedMessage()
  if (!target || !proposed) throw invalid('the first message of an append holds its options, the others an event')
  if (!collect(target, newEvent(proposed))) throw new Refused(appendTooLarge)
  return target
}

const answer = (call: Call, name: string, expectation: number, outcome: Outcome): void => {
  if (outcome.kind === 'written') call.send(success(outcome.last, outcome.position))
  else if (outcome.kind === 'wrong') call.send(wrong(expectation, outcome.current))
  else {
    call.end(refusalOf(outcome, name, expectation))
    return
  }
  call.end()
}

const success = (last: number, position: number | undefined): Uint8Array => {
  const result = new AppendResp.Success()
  if (last < 0) result.setNoStream(new Empty())
  else result.setCurrentRevision(`${last}`)
  if (position === undefined) result.setNoPosition(new Empty())
  else {
    const at = new AppendResp.Position()
    at.setCommitPosition(`${position}`)
    at.setPreparePosition(`${position}`)
    result.setPosition(at)
  }
  const response = new AppendResp()
  response.setSuccess(result)
  return response.serializeBinary()
}

const wrong = (expectation: number, current: number): Uint8Array => {
  const result = new AppendResp.WrongExpectedVersion()
  if (current < 0) result.setCurrentNoStream(new Empty())
  else result.setCurrentRevision(`${current}`)
  if (expectation === expected.any) result.setExpectedAny(new Empty())
  else if (expectation === expected.exists) result.setExpectedStreamExists(new Empty())
  else if (expectation === expected.none) result.setExpectedNoStream(new Empty())
  else result.setExpectedRevision(`${expectation}`)
  const response = new AppendResp()
  response.setWrongExpectedVersion(result)
  return response.serializeBinary()
}
