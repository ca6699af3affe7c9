import { randomUUID } from 'node:crypto'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import type { BatchAppendReq, BatchAppendResp } from '@eventstore/db-client/generated/streams_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import type { ClientDuplexStream } from '@grpc/grpc-js'
import { expect } from 'chai'
import emptyPb from 'google-protobuf/google/protobuf/empty_pb.js'
import timestampPb from 'google-protobuf/google/protobuf/timestamp_pb.js'
import { uuidText } from '../../../src/embedded/eventstore/protocol/requests.js'
import { collect, newStream, revisions, subject } from './store.js'

const uuid = (text: string) => {
  const made = new shared.UUID()
  made.setString(text)
  return made
}

type Chunk = { stream?: string; expected?: number | 'any' | 'none'; deadline?: Date; count?: number; final?: boolean }

const chunk = (correlation: string, { stream, expected = 'any', deadline, count = 1, final = true }: Chunk): BatchAppendReq => {
  const request = new streams.BatchAppendReq()
  request.setCorrelationId(uuid(correlation))
  if (stream !== undefined) {
    const options = new streams.BatchAppendReq.Options()
    const identifier = new shared.StreamIdentifier()
    identifier.setStreamName(Buffer.from(stream))
    options.setStreamIdentifier(identifier)
    if (expected === 'any') options.setAny(new emptyPb.Empty())
    else if (expected === 'none') options.setNoStream(new emptyPb.Empty())
    else options.setStreamPosition(`${expected}`)
    if (deadline) options.setDeadline(timestampPb.Timestamp.fromDate(deadline))
    request.setOptions(options)
  }
  for (let i = 0; i < count; i++) {
    const message = new streams.BatchAppendReq.ProposedMessage()
    message.setId(uuid(randomUUID()))
    message.getMetadataMap().set('type', 'Happened').set('content-type', 'application/json')
    message.setData(Buffer.from('{}'))
    request.addProposedMessages(message)
  }
  request.setIsFinal(final)
  return request
}

describe('batch append', () => {
  const { client, raw } = subject()
  let call: ClientDuplexStream<BatchAppendReq, BatchAppendResp>
  let replies: BatchAppendResp[]
  let failed: Error | undefined

  beforeEach(() => {
    replies = []
    failed = undefined
    call = raw().batchAppend()
    call.on('data', (reply: BatchAppendResp) => replies.push(reply))
    call.on('error', (error) => {
      failed = error
    })
  })
  afterEach(() => call.cancel())

  const replyTo = async (correlation: string): Promise<BatchAppendResp> => {
    for (let i = 0; i < 500; i++) {
      // A real node's timer has the id as two integers.
      const reply = replies.find((one) => uuidText(one.getCorrelationId()) === correlation)
      if (reply) return reply
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    throw failed ?? new Error('no reply came')
  }
  const typeOf = (reply: BatchAppendResp): string | undefined => reply.getError()?.getDetails()?.getTypeUrl()

  it('replies once to each correlation id, with the stream', async () => {
    const [first, second] = [randomUUID(), randomUUID()]
    const [one, other] = [newStream(), newStream()]
    call.write(chunk(first, { stream: one, count: 2 }))
    call.write(chunk(second, { stream: other }))
    const reply = await replyTo(first)
    expect(Buffer.from(reply.getStreamIdentifier()!.getStreamName_asU8()).toString()).to.equal(one)
    expect(reply.getSuccess()!.getCurrentRevision()).to.equal('1')
    const [, last] = await collect(client().readStream(one))
    expect(reply.getSuccess()!.getPosition()!.getCommitPosition()).to.equal(`${last!.event!.position!.commit}`)
    await replyTo(second)
    expect(replies).to.have.length(2)
  })

  it('appends the chunks of a correlation id at its last one, all at once', async () => {
    const [id, between] = [randomUUID(), randomUUID()]
    const stream = newStream()
    call.write(chunk(id, { stream, expected: 'none', count: 2, final: false }))
    call.write(chunk(id, { count: 3, final: false }))
    call.write(chunk(between, { stream: newStream() }))
    await replyTo(between)
    const nothingYet = await collect(client().readStream(stream)).catch((error: { type: string }) => error.type)
    expect(nothingYet).to.equal('stream-not-found')
    call.write(chunk(id, { count: 1 }))
    expect((await replyTo(id)).getSuccess()!.getCurrentRevision()).to.equal('5')
    expect(revisions(await collect(client().readStream(stream)))).to.deep.equal([0, 1, 2, 3, 4, 5])
  })

  it('says what was expected and what is there', async () => {
    const id = randomUUID()
    call.write(chunk(id, { stream: newStream(), expected: 7 }))
    const reply = await replyTo(id)
    expect(typeOf(reply)).to.equal('type.googleapis.com/event_store.client.WrongExpectedVersion')
    expect(reply.getError()!.getCode()).to.equal(6)
    const details = shared.WrongExpectedVersion.deserializeBinary(reply.getError()!.getDetails()!.getValue_asU8())
    expect(details.getExpectedStreamPosition()).to.equal('7')
    expect(details.hasCurrentNoStream()).to.equal(true)
  })

  it('says that a stream is deleted', async () => {
    const stream = newStream()
    await client().tombstoneStream(stream)
    const id = randomUUID()
    call.write(chunk(id, { stream }))
    const reply = await replyTo(id)
    expect(typeOf(reply)).to.equal('type.googleapis.com/event_store.client.StreamDeleted')
    expect(reply.getError()!.getCode()).to.equal(5)
    const details = shared.StreamDeleted.deserializeBinary(reply.getError()!.getDetails()!.getValue_asU8())
    expect(Buffer.from(details.getStreamIdentifier()!.getStreamName_asU8()).toString()).to.equal(stream)
  })

  it('answers a deadline that has passed with a timeout, and writes nothing', async () => {
    const id = randomUUID()
    const stream = newStream()
    call.write(chunk(id, { stream, deadline: new Date(Date.now() - 1_000) }))
    const reply = await replyTo(id)
    expect(typeOf(reply)).to.equal('type.googleapis.com/event_store.client.Timeout')
    expect(reply.getError()!.getCode()).to.equal(4)
    const error = await collect(client().readStream(stream)).catch((reason: { type: string }) => reason.type)
    expect(error).to.equal('stream-not-found')
  })

  it('answers one that is too large after its deadline with a timeout too', async () => {
    const id = randomUUID()
    call.write(chunk(id, { stream: newStream(), deadline: new Date(Date.now() - 1_000), count: 40_000 }))
    expect(typeOf(await replyTo(id))).to.equal('type.googleapis.com/event_store.client.Timeout')
  })

  it('replies to an append whose last chunk never comes, once', async () => {
    const id = randomUUID()
    call.write(chunk(id, { stream: newStream(), deadline: new Date(Date.now() + 50), final: false }))
    expect(typeOf(await replyTo(id))).to.equal('type.googleapis.com/event_store.client.Timeout')
    call.write(chunk(id, { count: 1 }))
    const after = randomUUID()
    call.write(chunk(after, { stream: newStream() }))
    await replyTo(after)
    expect(replies).to.have.length(2)
  })

  it('goes on after an append that it refused', async () => {
    const [bad, good] = [randomUUID(), randomUUID()]
    call.write(chunk(bad, { stream: '' }))
    call.write(chunk(good, { stream: newStream() }))
    expect(typeOf(await replyTo(bad))).to.equal('type.googleapis.com/event_store.client.BadRequest')
    expect((await replyTo(bad)).getError()!.getCode()).to.equal(3)
    expect((await replyTo(good)).hasSuccess()).to.equal(true)
    expect(failed).to.equal(undefined)
  })
})
