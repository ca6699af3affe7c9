import { connect, type IncomingHttpHeaders } from 'node:http2'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { expect } from 'chai'
import { framed } from '../../../src/embedded/eventstore/protocol/framing.js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'

/** Some published clients (Python's is one) send one batch, close their side at once, and read the reply then. */
describe('a batch whose client sends no more', () => {
  let node: TestEventStore
  before(async () => {
    node = await startEventStore()
  })
  after(() => node.stop())

  const request = (name: string, final: boolean): Buffer => {
    const id = new shared.UUID()
    id.setString('6f9619ff-8b86-d011-b42d-00c04fc964ff')
    const identifier = new shared.StreamIdentifier()
    identifier.setStreamName(Buffer.from(name))
    const options = new streams.BatchAppendReq.Options()
    options.setStreamIdentifier(identifier)
    options.setNoStream(new shared.Empty() as never)
    const message = new streams.BatchAppendReq.ProposedMessage()
    message.setId(id)
    message.getMetadataMap().set('type', 'T').set('content-type', 'application/json')
    message.setData(Buffer.from('{}'))
    const batch = new streams.BatchAppendReq()
    batch.setCorrelationId(id)
    batch.setOptions(options)
    batch.addProposedMessages(message)
    batch.setIsFinal(final)
    return framed(batch.serializeBinary())
  }

  const call = (body: Buffer): Promise<{ replies: Buffer; status: unknown }> =>
    new Promise((resolve, reject) => {
      const session = connect(`http://127.0.0.1:${node.port}`).on('error', reject)
      const path = '/event_store.client.streams.Streams/BatchAppend'
      const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' })
      const chunks: Buffer[] = []
      let status: unknown
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      // Where nothing was sent, the status comes with the headers.
      for (const event of ['response', 'trailers'] as const) {
        stream.on(event, (headers: IncomingHttpHeaders) => {
          status ??= headers['grpc-status']
        })
      }
      stream.on('error', reject)
      stream.on('close', () => {
        session.close()
        resolve({ replies: Buffer.concat(chunks), status })
      })
      stream.end(body)
    })

  it('gets its reply, and then the end', async () => {
    const { replies, status } = await call(request('closed-at-once', true))
    expect(status).to.equal('0')
    const reply = streams.BatchAppendResp.deserializeBinary(replies.subarray(5))
    expect(reply.hasSuccess()).to.equal(true)
    expect(reply.getSuccess()!.getCurrentRevision()).to.equal('0')
  })

  it('ends where it never became whole, and writes nothing', async () => {
    const { replies, status } = await call(request('never-whole', false))
    expect([replies.length, status]).to.deep.equal([0, '0'])
    const { status: after, replies: answer } = await call(request('never-whole', true))
    expect(after).to.equal('0')
    expect(streams.BatchAppendResp.deserializeBinary(answer.subarray(5)).getSuccess()!.getCurrentRevision()).to.equal('0')
  })
})
