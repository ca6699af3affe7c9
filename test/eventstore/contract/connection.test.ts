import { EventStoreDBClient, START, streamNameFilter } from '@eventstore/db-client'
import gossipGrpc from '@eventstore/db-client/generated/gossip_grpc_pb.js'
import gossip from '@eventstore/db-client/generated/gossip_pb.js'
import features from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { credentials } from '@grpc/grpc-js'
import { expect } from 'chai'
import { collect, event, events, failure, newStream, serviceError, subject } from './store.js'

describe('the connection', () => {
  const { client, url, raw, embedded } = subject()
  const host = () => new URL(url().replace(/^esdb[^:]*/, 'http')).host

  it('says what it serves', async () => {
    const asking = new features.ServerFeaturesClient(host(), credentials.createInsecure())
    const answer = await new Promise<import('@eventstore/db-client/generated/serverfeatures_pb.js').SupportedMethods>(
      (resolve, reject) =>
        asking.getSupportedMethods(new shared.Empty(), (error, found) => (error ? reject(error) : resolve(found!))),
    )
    asking.close()
    expect(answer.getEventStoreServerVersion()).to.match(/^\d+\.\d+/)
    const names = answer.getMethodsList().map((method) => `${method.getServiceName()}/${method.getMethodName()}`)
    const reading = answer
      .getMethodsList()
      .find((method) => method.getServiceName() === 'event_store.client.streams.streams' && method.getMethodName() === 'read')
    expect(reading!.getFeaturesList()).to.include.members(['position', 'events'])
    for (const method of ['read', 'append', 'batchappend', 'delete', 'tombstone']) {
      expect(names).to.include(`event_store.client.streams.streams/${method}`)
    }
  })

  it('is found by gossip', async () => {
    const discovering = EventStoreDBClient.connectionString(`esdb+discover://${host()}?tls=false`)
    const stream = newStream()
    await discovering.appendToStream(stream, event())
    expect(await collect(discovering.readStream(stream))).to.have.length(1)
    await discovering.dispose()
  })

  it('is a cluster of one that leads', async function () {
    if (!embedded()) return this.skip()
    const asking = new gossipGrpc.GossipClient(host(), credentials.createInsecure())
    const answer = await new Promise<import('@eventstore/db-client/generated/gossip_pb.js').ClusterInfo>((resolve, reject) =>
      asking.read(new shared.Empty(), (error, found) => (error ? reject(error) : resolve(found!))),
    )
    asking.close()
    const [member] = answer.getMembersList()
    expect(member!.getIsAlive()).to.equal(true)
    expect(member!.getState()).to.equal(gossip.MemberInfo.VNodeState.LEADER)
    // Ticks of 100 ns since the year 1.
    const told = Number(BigInt(member!.getTimeStamp()) / 10_000n - 62_135_596_800_000n)
    expect(Math.abs(told - Date.now())).to.be.lessThan(60_000)
    expect(member!.getHttpEndPoint()!.getPort()).to.equal(embedded()!.port)
    expect(member!.getInstanceId()!.getString()).to.match(/^[0-9a-f-]{36}$/)
    return undefined
  })

  it('gives ids as two integers to who asks for them so', async () => {
    const stream = newStream()
    const [one] = events(1)
    await client().appendToStream(stream, one!)
    const request = new streams.ReadReq()
    const options = new streams.ReadReq.Options()
    const of = new streams.ReadReq.Options.StreamOptions()
    const identifier = new shared.StreamIdentifier()
    identifier.setStreamName(Buffer.from(stream))
    of.setStreamIdentifier(identifier)
    of.setStart(new shared.Empty())
    options.setStream(of)
    options.setCount('10')
    options.setNoFilter(new shared.Empty())
    const form = new streams.ReadReq.Options.UUIDOption()
    form.setStructured(new shared.Empty())
    options.setUuidOption(form)
    request.setOptions(options)
    const found = await new Promise<import('@eventstore/db-client/generated/streams_pb.js').ReadResp>((resolve, reject) => {
      raw().read(request).on('data', resolve).on('error', reject)
    })
    const recorded = found.getEvent()!.getEvent()!
    const id = recorded.getId()!.getStructured()!
    const text = [id.getMostSignificantBits(), id.getLeastSignificantBits()]
      .map((part) => BigInt.asUintN(64, BigInt(part)).toString(16).padStart(16, '0'))
      .join('')
    expect(text).to.equal(one!.id.replaceAll('-', ''))
    expect(recorded.getMetadataMap().get('type')).to.equal('Happened')
    // Ticks of 100 ns since 1970.
    const created = recorded.getMetadataMap().get('created')!
    expect(created).to.match(/^\d{17}$/)
    expect(Math.abs(Number(BigInt(created) / 10_000n) - Date.now())).to.be.lessThan(60_000)
    expect(found.getEvent()!.hasCommitPosition()).to.equal(true)
  })

  it('refuses a read that asks for nothing', async () => {
    const refusal = (request: InstanceType<typeof streams.ReadReq>) =>
      serviceError(
        new Promise((resolve, reject) => {
          raw().read(request).on('data', resolve).on('error', reject).on('end', resolve)
        }),
      )
    expect((await refusal(new streams.ReadReq())).code).to.be.oneOf([2, 3])
    const empty = new streams.ReadReq()
    empty.setOptions(new streams.ReadReq.Options())
    expect((await refusal(empty)).code).to.equal(3)
  })

  it('keeps a call going that asks for the leader', async () => {
    const stream = newStream()
    await client().appendToStream(stream, event(), { requiresLeader: true })
    expect(await collect(client().readStream(stream, { requiresLeader: true }))).to.have.length(1)
  })

  describe('what is not served', () => {
    const unimplemented = async function (this: Mocha.Context, work: () => Promise<unknown>) {
      if (!embedded()) return this.skip()
      const began = Date.now()
      const error = await failure(work())
      expect(error.code, error.message).to.equal(12)
      expect(Date.now() - began).to.be.lessThan(5_000)
    }
    const settings = () => ({ ...persistentSettings, startFrom: START })

    it('is refused at once: persistent subscriptions', async function () {
      await unimplemented.call(this, () => client().createPersistentSubscriptionToStream('s', 'g', settings() as never))
      await unimplemented.call(this, () => client().deletePersistentSubscriptionToStream('s', 'g'))
      await unimplemented.call(this, () => client().getPersistentSubscriptionToStreamInfo('s', 'g'))
      await unimplemented.call(this, () => client().listAllPersistentSubscriptions())
      await unimplemented.call(this, () => client().listPersistentSubscriptionsToStream('s'))
      await unimplemented.call(this, () => client().replayParkedMessagesToStream('s', 'g'))
      await unimplemented.call(this, () => client().restartPersistentSubscriptionSubsystem())
      await unimplemented.call(this, () => client().createPersistentSubscriptionToAll('g', settings() as never))
      await unimplemented.call(this, () => client().deletePersistentSubscriptionToAll('g'))
      await unimplemented.call(this, () => client().getPersistentSubscriptionToAllInfo('g'))
      await unimplemented.call(this, () => client().listPersistentSubscriptionsToAll())
      await unimplemented.call(this, () => client().replayParkedMessagesToAll('g'))
      await unimplemented.call(this, () => collect(client().subscribeToPersistentSubscriptionToStream('s', 'g') as never))
    })

    it('is refused at once: projections', async function () {
      await unimplemented.call(this, () => client().createProjection('p', 'fromAll()'))
      await unimplemented.call(this, () => client().getProjectionStatus('p'))
    })
  })

  it('reads with a filter, too', async () => {
    const stream = newStream()
    await client().appendToStream(stream, events(3))
    const found: unknown[] = []
    const subscription = client().subscribeToAll({ filter: streamNameFilter({ prefixes: [stream] }) })
    for await (const one of subscription) {
      found.push(one)
      if (found.length === 3) break
    }
    expect(found).to.have.length(3)
  })
})

const persistentSettings = {
  resolveLinkTos: false,
  extraStatistics: false,
  messageTimeout: 1000,
  maxRetryCount: 1,
  checkPointAfter: 1000,
  checkPointLowerBound: 1,
  checkPointUpperBound: 1,
  maxSubscriberCount: 'unbounded',
  liveBufferSize: 10,
  readBatchSize: 5,
  historyBufferSize: 10,
  consumerStrategyName: 'DispatchToSingle',
}
