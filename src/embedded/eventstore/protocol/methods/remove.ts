import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import type { Outcome } from '../../storage/outcome.js'
import type { Store } from '../../storage/store.js'
import type { Access } from '../access.js'
import type { Call, Handler } from '../call.js'
import { expectationOf, invalid, refusalOf, statusOf, streamName, writeTimeout } from '../requests.js'

const { DeleteReq, DeleteResp, TombstoneReq, TombstoneResp } = streams

/** Delete (the stream can live again) and, `hard`, tombstone (it can't). The messages of both look alike on the wire. */
export const remove =
  (store: Store, access: Access, now: () => number, hard: boolean): Handler =>
  (call) => ({
    message: (bytes) => {
      if (call.isOver()) return
      try {
        const options = (hard ? TombstoneReq : DeleteReq).deserializeBinary(bytes).getOptions()
        if (!options) throw invalid('options are required')
        const name = streamName(options.getStreamIdentifier())
        access(call.headers).assertMayWrite(name)
        const expectation = expectationOf(options, options.hasRevision() ? options.getRevision() : undefined)
        store.remove(name, expectation, hard, now() + writeTimeout, (outcome) => answer(call, name, expectation, hard, outcome))
      } catch (error) {
        call.end(statusOf(error))
      }
    },
  })

const answer = (call: Call, name: string, expectation: number, hard: boolean, outcome: Outcome): void => {
  if (outcome.kind !== 'written') {
    call.end(refusalOf(outcome, name, expectation))
    return
  }
  call.send(hard ? tombstoned(outcome.position) : deleted(outcome.position))
  call.end()
}

const deleted = (position: number | undefined): Uint8Array => {
  const response = new DeleteResp()
  if (position === undefined) response.setNoPosition(new shared.Empty())
  else {
    const at = new DeleteResp.Position()
    at.setCommitPosition(`${position}`)
    at.setPreparePosition(`${position}`)
    response.setPosition(at)
  }
  return response.serializeBinary()
}

const tombstoned = (position: number | undefined): Uint8Array => {
  const response = new TombstoneResp()
  if (position === undefined) response.setNoPosition(new shared.Empty())
  else {
    const at = new TombstoneResp.Position()
    at.setCommitPosition(`${position}`)
    at.setPreparePosition(`${position}`)
    response.setPosition(at)
  }
  return response.serializeBinary()
}
