import type { IHeaders, Kafka } from 'kafkajs'

/**
 * Reading without a consumer group, which kafkajs doesn't offer: joining one takes a broker three seconds by default, leaves a group
 * behind, and wants a right of its own. So this file, and no other, uses what the library keeps to itself: its cluster, and with it the
 * protocol's Fetch and ListOffsets.
 */
type Cluster = {
  readonly connect: () => Promise<void>
  readonly disconnect: () => Promise<void>
  readonly addTargetTopic: (topic: string) => Promise<void>
  readonly findTopicPartitionMetadata: (topic: string) => readonly { readonly partitionId: number; readonly leader: number }[]
  readonly findBroker: (node: { readonly nodeId: string }) => Promise<Broker>
}

type OfTopic<Partition> = readonly [{ readonly topic: string; readonly partitions: readonly Partition[] }]

type Broker = {
  readonly fetch: (request: {
    readonly isolationLevel: number
    readonly maxWaitTime: number
    readonly minBytes: number
    readonly maxBytes: number
    readonly topics: OfTopic<{ readonly partition: number; readonly fetchOffset: string; readonly maxBytes: number }>
  }) => Promise<{ readonly responses: readonly { readonly partitions: readonly Fetched[] }[] }>
  readonly listOffsets: (request: {
    readonly isolationLevel: number
    readonly topics: OfTopic<{ readonly partition: number; readonly timestamp: string }>
  }) => Promise<{
    readonly responses: readonly { readonly partitions: readonly { readonly partition: number; readonly offset: string }[] }[]
  }>
}

type Fetched = {
  readonly partition: number
  readonly highWatermark: string
  readonly lastStableOffset: string
  readonly abortedTransactions: readonly Aborted[]
  readonly messages: readonly Stored[]
}

type Aborted = { readonly producerId: string; readonly firstOffset: string }

type Stored = KafkaRecord & {
  readonly isControlRecord: boolean
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean }
}

export type KafkaRecord = {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: IHeaders
}

/** From the oldest offset that there is to the one before which every transaction has ended. */
export type Extent = { readonly partition: number; readonly low: bigint; readonly stable: bigint }

export type PartitionOffset = { readonly partition: number; readonly offset: bigint }

export type Chunk = {
  readonly partition: number
  /** What was committed, from the offset on that was asked for. */
  readonly records: readonly KafkaRecord[]
  /** Behind all that was read, which need not be records: from here on it goes on. */
  readonly next: bigint
  /** Before this one every transaction has ended. */
  readonly stable: bigint
  /** Behind all that is written, also by transactions that have not ended. */
  readonly end: bigint
}

export type FetchOptions = {
  /** Milliseconds for which the broker may wait for something to come. Default 0. */
  readonly wait?: number
  /** At most so many bytes of a partition, but at least one batch as it was written. Default 128 kB. */
  readonly bytes?: number
}

/** Connections to the leaders of a topic's partitions, as they are when it begins. After any error it is of no use any more. */
export type Connected = {
  /** The partitions of each leader: who wants to hear at once asks each by itself. */
  readonly byLeader: readonly (readonly number[])[]
  readonly extents: () => Promise<readonly Extent[]>
  /** Of partitions that there are. Those that did not fit are answered without records. */
  readonly fetch: (places: readonly PartitionOffset[], options?: FetchOptions) => Promise<readonly Chunk[]>
  readonly close: () => Promise<void>
}

const readCommitted = 1
const earliest = '-2'
const latest = '-1'
const answerBytes = 1_000_000

/** Throws the library's errors; the type of the one where there is no such topic is UNKNOWN_TOPIC_OR_PARTITION. */
export const connectTopic = async (kafka: Kafka, topic: string): Promise<Connected> => {
  const cluster = clusterOf(kafka)
  try {
    await cluster.connect()
    await cluster.addTargetTopic(topic)
    const found = cluster.findTopicPartitionMetadata(topic)
    const connected = connectedTo(cluster, topic, new Map(found.map(({ partitionId, leader }) => [partitionId, leader])))
    // A leader that is new answers this only once it knows all that its predecessor has promised; what it says is the end is the end.
    await connected.extents()
    return connected
  } catch (error) {
    await Promise.allSettled([cluster.disconnect()])
    throw error
  }
}

const connectedTo = (cluster: Cluster, topic: string, leaders: ReadonlyMap<number, number>): Connected => {
  const ofTopic = <P>(partitions: readonly P[]): OfTopic<P> => [{ topic, partitions }]

  /**
   * One request at a time for each leader, which answers a connection's one after another anyway: the library would open a connection
   * for each of those that come while there is none, keep the last, and never close the others.
   */
  const turns = new Map<number, Promise<unknown>>()
  const inTurn = <Answer>(leader: number, work: () => Promise<Answer>): Promise<Answer> => {
    const turn = (turns.get(leader) ?? Promise.resolve()).then(work, work)
    turns.set(leader, turn)
    return turn
  }

  /** Asks each leader for its own. */
  const atLeaders = async <P extends { readonly partition: number }, Answer>(
    partitions: readonly P[],
    ask: (broker: Broker, own: readonly P[]) => Promise<readonly Answer[]>,
  ): Promise<readonly Answer[]> => {
    const asked = [...new Set(leaders.values())].map(async (leader) => {
      const own = partitions.filter(({ partition }) => leaders.get(partition) === leader)
      if (own.length === 0) return []
      return inTurn(leader, async () => ask(await cluster.findBroker({ nodeId: `${leader}` }), own))
    })
    return (await Promise.all(asked)).flat()
  }

  const offsets = async (timestamp: string): Promise<ReadonlyMap<number, bigint>> => {
    const wanted = [...leaders.keys()].map((partition) => ({ partition, timestamp }))
    const found = await atLeaders(wanted, async (broker, own) => {
      const { responses } = await broker.listOffsets({ isolationLevel: readCommitted, topics: ofTopic(own) })
      return responses.flatMap(({ partitions }) => partitions)
    })
    return new Map(found.map(({ partition, offset }) => [partition, BigInt(offset)]))
  }

  const extents: Connected['extents'] = async () => {
    const [low, stable] = await Promise.all([offsets(earliest), offsets(latest)])
    return [...leaders.keys()].map((partition) => ({ partition, low: low.get(partition)!, stable: stable.get(partition)! }))
  }

  const fetch: Connected['fetch'] = (places, { wait = 0, bytes = 131_072 } = {}) =>
    atLeaders(places, async (broker, own) => {
      const { responses } = await broker.fetch({
        isolationLevel: readCommitted,
        maxWaitTime: wait,
        minBytes: wait > 0 ? 1 : 0,
        maxBytes: answerBytes,
        topics: ofTopic(own.map(({ partition, offset }) => ({ partition, fetchOffset: `${offset}`, maxBytes: bytes }))),
      })
      const asked = new Map(own.map(({ partition, offset }) => [partition, offset]))
      return responses.flatMap(({ partitions }) => partitions).map((fetched) => chunkOf(fetched, asked.get(fetched.partition)!))
    })

  const byLeader = [...new Set(leaders.values())].map((leader) =>
    [...leaders.keys()].filter((partition) => leaders.get(partition) === leader),
  )
  return { byLeader, extents, fetch, close: () => cluster.disconnect() }
}

const chunkOf = (fetched: Fetched, from: bigint): Chunk => {
  const last = fetched.messages.at(-1)
  const next = last ? BigInt(last.offset) + 1n : from
  return {
    partition: fetched.partition,
    // A batch is sent whole, also where it begins before what was asked for.
    records: committed(fetched).filter(({ offset }) => BigInt(offset) >= from),
    next: next > from ? next : from,
    stable: BigInt(fetched.lastStableOffset),
    end: BigInt(fetched.highWatermark),
  }
}

/** Without the marks at which transactions end, and without those that were given up: the broker says where they began. */
const committed = ({ messages, abortedTransactions }: Fetched): readonly KafkaRecord[] => {
  const begun = [...abortedTransactions].sort((a, b) => Number(BigInt(a.firstOffset) - BigInt(b.firstOffset)))
  const givenUp = new Set<string>()
  return messages.filter(({ offset, isControlRecord, batchContext: { producerId, inTransaction } }) => {
    while (begun[0] && BigInt(begun[0].firstOffset) <= BigInt(offset)) givenUp.add(begun.shift()!.producerId)
    if (isControlRecord) givenUp.delete(producerId)
    return !isControlRecord && !(inTransaction && givenUp.has(producerId))
  })
}

const clusterOf = (kafka: Kafka): Cluster => {
  const made = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === 'private:Kafka:createCluster')
  const create = made && (kafka as unknown as { [name: symbol]: (options: object) => Cluster })[made]
  if (!create) throw new TypeError('this is not the version of kafkajs that this file was written for')
  return create({ metadataMaxAge: 300_000, allowAutoTopicCreation: false, isolationLevel: readCommitted })
}
