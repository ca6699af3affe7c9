import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { expect } from 'chai'
import { kafkaLog } from '../../src/bridge/kafka/log.js'
import { readKafkaSettings } from '../../src/bridge/kafka/settings.js'
import { createTopic, type Topic, type TopicRecord, TopicUnavailable } from '../../src/bridge/topic.js'
import { refusalOf } from '../../src/http/pipeline/errors.js'
import type { Http } from '../../src/http/pipeline/services.js'
import { topicRoutes } from '../../src/http/routes/topic.js'

const reasonOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'it was answered',
    (reason: unknown) => reason,
  )

describe('a topic in a Kafka that is away', () => {
  let server: Server
  let topic: Topic
  const readFrom = (port: number) => createTopic(kafkaLog(readKafkaSettings([`127.0.0.1:${port}`], {}), 'orders', 500))

  beforeEach(async () => {
    server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterEach(async () => {
    await topic.close()
    server.close()
  })

  it('is unavailable, soon: nobody listens', async () => {
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    topic = readFrom(port)
    const began = performance.now()
    expect(await reasonOf(topic.records({}))).to.be.instanceOf(TopicUnavailable)
    expect(performance.now() - began).to.be.lessThan(2_000)
  }).timeout(10_000)

  it('is unavailable, soon: nobody answers', async () => {
    topic = readFrom((server.address() as AddressInfo).port)
    const began = performance.now()
    expect(await reasonOf(topic.records({}))).to.be.instanceOf(TopicUnavailable)
    expect(performance.now() - began).to.be.lessThan(2_000)
  }).timeout(10_000)

  it('is waited for by who follows it', async () => {
    let asked = 0
    const next = async () => {
      if (++asked === 2) throw new TopicUnavailable('away')
      return [{ position: `${asked}`, headers: {} } as TopicRecord]
    }
    const listen = async () => undefined
    topic = createTopic({ open: () => ({ next }), listen, close: async () => undefined })
    const positions: string[] = []
    for await (const { position } of topic.follow({ signal: new AbortController().signal })) {
      positions.push(position)
      if (positions.length === 2) break
    }
    expect(positions).to.deep.equal(['1', '3'])
  })

  it('is 503 with Retry-After, a page and a stream alike', async () => {
    topic = {
      ...readFrom(1),
      records: async () => {
        throw new TopicUnavailable('away')
      },
    }
    const [route] = topicRoutes({ topic } as unknown as Http)
    for (const accept of ['application/json', 'text/event-stream']) {
      const request = { query: {}, header: () => '', prefers: () => accept, caller: {} }
      const refusal = await reasonOf(route!.handle(request as never) as Promise<unknown>)
      expect(refusalOf(refusal), accept).to.deep.include({ status: 503, headers: { 'Retry-After': '1' } })
    }
  })
})
