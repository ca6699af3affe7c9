import { randomUUID } from 'node:crypto'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import type { AppendReq, AppendResp } from '@eventstore/db-client/generated/streams_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { Metadata } from '@grpc/grpc-js'
import { expect } from 'chai'
import { collect, newStream, revisions, serviceError, subject } from './store.js'

type Expect = number | 'any' | 'none' | 'exists'

const options = (stream: string, expected: Expect): AppendReq => {
  const made = new streams.AppendReq.Options()
  const identifier = new shared.StreamIdentifier()
  identifier.setStreamName(Buffer.from(stream))
  made.setStreamIdentifier(identifier)
  if (expected === 'any') made.setAny(new shared.Empty())
  else if (expected === 'none') made.setNoStream(new shared.Empty())
  else if (expected === 'exists') made.setStreamExists(new shared.Empty())
  else made.setRevision(`${expected}`)
  const request = new streams.AppendReq()
  request.setOptions(made)
  return request
}

const proposed = (properties: Record<string, string>, data = Buffer.from('{}'), id = randomUUID()): AppendReq => {
  const message = new streams.AppendReq.ProposedMessage()
  const uuid = new shared.UUID()
  uuid.setString(id)
  message.setId(uuid)
  for (const [name, value] of Object.entries(properties)) message.getMetadataMap().set(name, value)
  message.setData(data)
  const request = new streams.AppendReq()
  request.setProposedMessage(message)
  return request
}

const json = { type: 'Happened', 'content-type': 'application/json' }

describe('append, one call each', () => {
  const { client, raw } = subject()
  const append = (...requests: AppendReq[]): Promise<AppendResp> =>
    new Promise((resolve, reject) => {
      const call = raw().append(new Metadata(), (error, response) => (error ? reject(error) : resolve(response!)))
      for (const request of requests) call.write(request)
      call.end()
    })

  it('answers the current revision and the position', async () => {
    const stream = newStream()
    const success = (await append(options(stream, 'none'), proposed(json), proposed(json))).getSuccess()!
    expect(success.getCurrentRevision()).to.equal('1')
    const [, last] = await collect(client().readStream(stream))
    expect(success.getPosition()!.getCommitPosition()).to.equal(`${last!.event!.position!.commit}`)
    expect(success.getPosition()!.getPreparePosition()).to.equal(`${last!.event!.position!.prepare}`)
  })

  it('answers a wrong version in its reply, with what was expected', async () => {
    const stream = newStream()
    const missing = (await append(options(stream, 4), proposed(json))).getWrongExpectedVersion()!
    expect(missing.hasCurrentNoStream()).to.equal(true)
    expect(missing.getExpectedRevision()).to.equal('4')
    const exists = (await append(options(stream, 'exists'), proposed(json))).getWrongExpectedVersion()!
    expect(exists.hasExpectedStreamExists()).to.equal(true)
    await append(options(stream, 'any'), proposed(json))
    const taken = (await append(options(stream, 'none'), proposed(json))).getWrongExpectedVersion()!
    expect(taken.getCurrentRevision()).to.equal('0')
    expect(taken.hasExpectedNoStream()).to.equal(true)
  })

  it('is what the client uses for a call with credentials of its own', async () => {
    const stream = newStream()
    const result = await client().appendToStream(stream, [{ ...eventOf(), id: randomUUID() }], {
      credentials: { username: 'admin', password: 'changeit' },
    })
    expect(result.nextExpectedRevision).to.equal(0n)
  })

  it('refuses a stream that was tombstoned', async () => {
    const stream = newStream()
    await client().tombstoneStream(stream)
    const error = await serviceError(append(options(stream, 'any'), proposed(json)))
    expect(error.code).to.equal(9)
    expect(error.metadata.getMap()).to.include({ exception: 'stream-deleted', 'stream-name': stream })
  })

  it('refuses events beyond the limit', async () => {
    const requests = Array.from({ length: 3 }, () => proposed(json, Buffer.alloc(400_000)))
    const error = await serviceError(append(options(newStream(), 'any'), ...requests))
    expect(error.code).to.equal(3)
    expect(error.metadata.getMap()).to.include({ exception: 'maximum-append-size-exceeded', 'maximum-append-size': '1048576' })
  })

  for (const left of ['type', 'content-type'] as const) {
    it(`requires the ${left}`, async () => {
      const { [left]: _, ...others } = json
      const error = await serviceError(append(options(newStream(), 'any'), proposed(others)))
      expect(error.code).to.equal(3)
      expect(error.metadata.getMap()).to.include({
        exception: 'missing-required-metadata-property',
        'required-metadata-properties': 'type,content-type',
      })
    })
  }

  it('keeps JSON as JSON, and any other content as bytes', async () => {
    const stream = newStream()
    await append(
      options(stream, 'any'),
      proposed(json),
      proposed({ type: 'Text', 'content-type': 'text/plain' }, Buffer.from('hi')),
    )
    const [first, second] = await collect(client().readStream(stream))
    expect(first!.event!.isJson).to.equal(true)
    expect(second!.event!.isJson).to.equal(false)
    expect(Buffer.from(second!.event!.data as Uint8Array).toString()).to.equal('hi')
  })

  it('takes an id of two integers for the same id as text', async () => {
    const stream = newStream()
    const id = 'ffeeddcc-bbaa-4998-8877-665544332211'
    const request = proposed(json)
    const structured = new shared.UUID.Structured()
    structured.setMostSignificantBits(`${BigInt.asIntN(64, 0xffeeddccbbaa4998n)}`)
    structured.setLeastSignificantBits(`${BigInt.asIntN(64, 0x8877665544332211n)}`)
    request.getProposedMessage()!.getId()!.setStructured(structured)
    await append(options(stream, 'none'), request)
    expect((await collect(client().readStream(stream)))[0]!.event!.id).to.equal(id)
    await append(options(stream, 'any'), proposed(json, Buffer.from('{}'), id.toUpperCase() as ReturnType<typeof randomUUID>))
    expect(revisions(await collect(client().readStream(stream)))).to.deep.equal([0])
  })

  it('refuses events without options', async () => {
    const error = await serviceError(append(proposed(json)))
    expect(error.code).to.be.oneOf([2, 3])
  })
})

const eventOf = () => ({ type: 'Happened', data: {}, contentType: 'application/json' as const, metadata: undefined })
