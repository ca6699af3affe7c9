import shared from '@eventstore/db-client/generated/shared_pb.js'
import type { Status as RpcStatus } from '@eventstore/db-client/generated/status_pb.js'
import status from '@eventstore/db-client/generated/status_pb.js'
import type { BatchAppendReq as Request, BatchAppendResp as Response } from '@eventstore/db-client/generated/streams_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import anyPb from 'google-protobuf/google/protobuf/any_pb.js'
import emptyPb from 'google-protobuf/google/protobuf/empty_pb.js'
import { expected } from '../../storage/expected-revision.js'
import type { Outcome } from '../../storage/outcome.js'
import type { Store } from '../../storage/store.js'
import type { Access } from '../access.js'
import type { Call, Handler } from '../call.js'
import { codes, exhausted } from '../framing.js'
import {
  type Collected,
  cancelled,
  collect,
  diskFull,
  expectationOf,
  invalid,
  maxAppendBytes,
  newEvent,
  Refused,
  streamName,
  uuidText,
  writeTimeout,
} from '../requests.js'

const { BatchAppendReq, BatchAppendResp } = streams
const {
  AccessDenied,
  AllStreamPosition,
  BadRequest,
  MaximumAppendSizeExceeded,
  StreamDeleted,
  StreamIdentifier,
  Timeout,
  Unknown,
  UUID,
  WrongExpectedVersion,
} = shared

/** An append whose chunks are still coming. Answered early (refused, timed out), it swallows the rest of them. */
type Open = Collected & {
  readonly identifier: Uint8Array
  name: string
  expectation: number
  deadline: number
  /** Bytes of its messages. */
  held: number
  answered: boolean
  timer: NodeJS.Timeout | undefined
}

/** What the reply says; a refusal as EventStoreDB's client unpacks it. */
type Reply = Outcome | { readonly kind: 'tooLarge' } | { readonly kind: 'bad' | 'denied'; readonly message: string }

/** How many appends of one stream may be incomplete at once: their chunks are held in memory. */
const maxOpen = 1_000

/**
 * One long call for many appends, each known by its correlation id, in one or more chunks. Each gets exactly one reply: a bad one is
 * refused for itself, for the end of the call would reject all that is in flight.
 */
export const batchAppend =
  (store: Store, access: Access, now: () => number): Handler =>
  (call) => {
    const open = new Map<string, Open>()
    let deciding = 0
    let ended = false
    call.onStop(cancelled)
    call.onOver(() => {
      for (const { timer } of open.values()) clearTimeout(timer)
    })

    const begin = (correlation: string, request: Request): Open => {
      const options = request.getOptions()
      const made: Open = {
        identifier: options?.getStreamIdentifier()?.getStreamName_asU8() ?? new Uint8Array(),
        name: '',
        expectation: expected.any,
        deadline: now() + writeTimeout,
        events: [],
        bytes: 0,
        held: 0,
        answered: false,
        timer: undefined,
      }
      open.set(correlation, made)
      if (open.size > maxOpen) return refuse(call, correlation, made, `at most ${maxOpen} appends may be incomplete`)
      try {
        if (!options) throw invalid('the first chunk of an append holds its options')
        made.name = streamName(options.getStreamIdentifier())
        access(call.headers).assertMayWrite(made.name)
        made.expectation = expectationOf(options, options.hasStreamPosition() ? options.getStreamPosition() : undefined)
        const deadline = options.getDeadline()
        if (deadline) made.deadline = Math.min(made.deadline, deadline.getSeconds() * 1000 + deadline.getNanos() / 1e6)
      } catch (error) {
        return refuse(call, correlation, made, error)
      }
      return made
    }

    const take = (correlation: string, append: Open, request: Request, bytes: number): void => {
      if (append.answered) return
      if (!call.hold(bytes)) {
        refuse(call, correlation, append, exhausted.message)
        return
      }
      append.held += bytes
      try {
        for (const proposed of request.getProposedMessagesList()) {
          if (collect(append, newEvent(proposed))) continue
          append.events.length = 0
          // Chunks that keep the node busy keep its timer waiting too: who gave up before hears of that, as from EventStoreDB.
          reply(call, correlation, append, { kind: now() < append.deadline ? 'tooLarge' : 'timeout' })
          return
        }
      } catch (error) {
        refuse(call, correlation, append, error)
      }
    }

    return {
      message: (bytes) => {
        if (call.isOver()) return
        const request = BatchAppendReq.deserializeBinary(bytes)
        const correlation = uuidText(request.getCorrelationId())
        const append = open.get(correlation) ?? begin(correlation, request)
        take(correlation, append, request, bytes.length)
        if (request.getIsFinal()) {
          open.delete(correlation)
          clearTimeout(append.timer)
          if (append.answered) return
          deciding++
          store.append(append.name, append.expectation, append.events, append.deadline, (outcome) => {
            deciding--
            reply(call, correlation, append, outcome)
            if (ended && deciding === 0) call.end()
          })
        } else if (!append.answered && !append.timer) {
          append.timer = setTimeout(
            () => {
              append.events.length = 0
              reply(call, correlation, append, { kind: 'timeout' })
            },
            Math.max(0, append.deadline - now()),
          )
        }
      },
      // Some clients close their side at once, and read the reply then.
      end: () => {
        ended = true
        if (deciding === 0) call.end()
      },
    }
  }

const refuse = (call: Call, correlation: string, append: Open, error: unknown): Open => {
  append.events.length = 0
  const message = error instanceof Error ? error.message : String(error)
  const denied = error instanceof Refused && error.status.code === codes.permissionDenied
  reply(call, correlation, append, { kind: denied ? 'denied' : 'bad', message })
  return append
}

const reply = (call: Call, correlation: string, append: Open, outcome: Reply): void => {
  if (append.answered) return
  append.answered = true
  call.hold(-append.held)
  const response = new BatchAppendResp()
  const id = new UUID()
  id.setString(correlation)
  response.setCorrelationId(id)
  const identifier = new StreamIdentifier()
  identifier.setStreamName(append.identifier)
  response.setStreamIdentifier(identifier)
  echoExpectation(response, append.expectation)
  if (outcome.kind === 'written') response.setSuccess(success(outcome.last, outcome.position))
  else response.setError(errorOf(append, outcome))
  call.send(response.serializeBinary())
}

const echoExpectation = (response: Response, expectation: number): void => {
  if (expectation === expected.any) response.setAny(new emptyPb.Empty())
  else if (expectation === expected.exists) response.setStreamExists(new emptyPb.Empty())
  else if (expectation === expected.none) response.setNoStream(new emptyPb.Empty())
  else response.setStreamPosition(`${expectation}`)
}

const success = (last: number, position: number | undefined): Response.Success => {
  const result = new BatchAppendResp.Success()
  if (last < 0) result.setNoStream(new emptyPb.Empty())
  else result.setCurrentRevision(`${last}`)
  if (position === undefined) result.setNoPosition(new emptyPb.Empty())
  else {
    const at = new AllStreamPosition()
    at.setCommitPosition(`${position}`)
    at.setPreparePosition(`${position}`)
    result.setPosition(at)
  }
  return result
}

const errorOf = (append: Open, outcome: Exclude<Reply, { kind: 'written' }>): RpcStatus => {
  switch (outcome.kind) {
    case 'wrong':
      return rpcStatus(
        6,
        'WrongExpectedVersion',
        wrong(append.expectation, outcome.current).serializeBinary(),
        'wrong expected version',
      )
    case 'deleted': {
      const deleted = new StreamDeleted()
      const identifier = new StreamIdentifier()
      identifier.setStreamName(append.identifier)
      deleted.setStreamIdentifier(identifier)
      return rpcStatus(5, 'StreamDeleted', deleted.serializeBinary(), `the stream ${append.name} is deleted`)
    }
    case 'timeout':
      return rpcStatus(4, 'Timeout', new Timeout().serializeBinary(), 'the write was not finished in time')
    case 'tooLarge': {
      const tooLarge = new MaximumAppendSizeExceeded()
      tooLarge.setMaxappendsize(maxAppendBytes)
      return rpcStatus(
        3,
        'MaximumAppendSizeExceeded',
        tooLarge.serializeBinary(),
        `an append has at most ${maxAppendBytes} bytes`,
      )
    }
    case 'unavailable':
      return rpcStatus(2, 'Unknown', new Unknown().serializeBinary(), 'the node is stopping')
    case 'full':
      return rpcStatus(diskFull.code, 'BadRequest', badRequest(diskFull.message).serializeBinary(), diskFull.message)
    case 'bad':
      return rpcStatus(3, 'BadRequest', badRequest(outcome.message).serializeBinary(), `BadRequest: ${outcome.message}`)
    case 'denied':
      return rpcStatus(7, 'AccessDenied', new AccessDenied().serializeBinary(), outcome.message)
    case 'failed':
      return rpcStatus(2, 'Unknown', new Unknown().serializeBinary(), outcome.message)
  }
}

/** Of the details that Node's client knows none has words; of one that it doesn't know it tells the status's message. */
const badRequest = (message: string): InstanceType<typeof BadRequest> => {
  const details = new BadRequest()
  details.setMessage(message)
  return details
}

const wrong = (expectation: number, current: number): InstanceType<typeof WrongExpectedVersion> => {
  const result = new WrongExpectedVersion()
  if (current < 0) result.setCurrentNoStream(new emptyPb.Empty())
  else result.setCurrentStreamRevision(`${current}`)
  if (expectation === expected.any) result.setExpectedAny(new emptyPb.Empty())
  else if (expectation === expected.exists) result.setExpectedStreamExists(new emptyPb.Empty())
  else if (expectation === expected.none) result.setExpectedNoStream(new emptyPb.Empty())
  else result.setExpectedStreamPosition(`${expectation}`)
  return result
}

const rpcStatus = (code: number, type: string, value: Uint8Array, message: string): RpcStatus => {
  const details = new anyPb.Any()
  details.setTypeUrl(`type.googleapis.com/event_store.client.${type}`)
  details.setValue(value)
  const out = new status.Status()
  // The generated type names its codes, and the numbers are what travels.
  out.setCode(code as Parameters<typeof out.setCode>[0])
  out.setMessage(message)
  out.setDetails(details)
  return out
}
