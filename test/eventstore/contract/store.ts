import { randomUUID } from 'node:crypto'
import { EventStoreDBClient, type JSONEventData, jsonEvent, type ResolvedEvent } from '@eventstore/db-client'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'

/** The store under test: the embedded node, or a real one where EVENTSTORE_URL names it. */
export type Subject = {
  readonly client: () => EventStoreDBClient
  readonly url: () => string
  /** A plain gRPC client, for what the real one never says. */
  readonly raw: () => InstanceType<typeof streamsGrpc.StreamsClient>
  /** The embedded node; `undefined` on a real store. */
  readonly embedded: () => TestEventStore | undefined
}

export const subject = (): Subject => {
  let embedded: TestEventStore | undefined
  let url = process.env.EVENTSTORE_URL ?? ''
  let client: EventStoreDBClient
  let raw: InstanceType<typeof streamsGrpc.StreamsClient>

  before(async () => {
    if (!process.env.EVENTSTORE_URL) {
      embedded = await startEventStore()
      url = embedded.url
    }
    client = EventStoreDBClient.connectionString(url)
    raw = new streamsGrpc.StreamsClient(new URL(url.replace(/^esdb[^:]*/, 'http')).host, credentials.createInsecure())
  })
  after(async () => {
    await client.dispose()
    raw.close()
    await embedded?.stop()
  })
  return { client: () => client, url: () => url, raw: () => raw, embedded: () => embedded }
}

/** Appends one event of JSON whose text is as given, be it what it may: the client would write it anew. */
export const appendText = (raw: ReturnType<Subject['raw']>, stream: string, type: string, text: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const identifier = new shared.StreamIdentifier()
    identifier.setStreamName(Buffer.from(stream))
    const options = new streams.AppendReq.Options()
    options.setStreamIdentifier(identifier)
    options.setAny(new shared.Empty())
    const first = new streams.AppendReq()
    first.setOptions(options)
    const id = new shared.UUID()
    id.setString(randomUUID())
    const message = new streams.AppendReq.ProposedMessage()
    message.setId(id)
    message.getMetadataMap().set('type', type).set('content-type', 'application/json')
    message.setData(Buffer.from(text))
    const second = new streams.AppendReq()
    second.setProposedMessage(message)
    const call = raw.append(new Metadata(), (error, response) => (error ? reject(error) : resolve(response)))
    call.write(first)
    call.write(second)
    call.end()
  })

export const newStream = (category = 'test'): string => `${category}-${randomUUID()}`

export const event = (type = 'Happened', data: Record<string, unknown> = {}, id: string = randomUUID()): JSONEventData =>
  jsonEvent({ id, type, data })

export const events = (count: number, type = 'Happened'): JSONEventData[] =>
  Array.from({ length: count }, (_, n) => event(type, { n }))

export const collect = async (stream: AsyncIterable<ResolvedEvent>): Promise<ResolvedEvent[]> => {
  const found: ResolvedEvent[] = []
  for await (const one of stream) found.push(one)
  return found
}

export const revisions = (found: readonly ResolvedEvent[]): number[] => found.map(({ event: one }) => Number(one!.revision))

/** What a promise rejects with. */
export const failure = async (work: Promise<unknown>): Promise<Error & Record<string, unknown>> => {
  try {
    await work
  } catch (error) {
    return error as Error & Record<string, unknown>
  }
  throw new Error('it should have failed')
}

export const serviceError = async (work: Promise<unknown>): Promise<ServiceError> =>
  (await failure(work)) as unknown as ServiceError

type Subscription = AsyncIterable<ResolvedEvent> & {
  on(name: string, listener: (...args: never[]) => void): unknown
  unsubscribe(): Promise<void>
}

/** What a subscription says, in order: events, `caughtUp`, and how it ended. */
export type Log = {
  readonly said: string[]
  readonly events: ResolvedEvent[]
  readonly until: (condition: () => boolean) => Promise<void>
  readonly stop: () => Promise<void>
}

export const listen = (subscription: Subscription): Log => {
  const said: string[] = []
  const found: ResolvedEvent[] = []
  let check = (): void => undefined
  const say = (word: string): void => {
    said.push(word)
    check()
  }
  subscription.on('confirmation', () => say('confirmation'))
  subscription.on('caughtUp', () => say('caughtUp'))
  subscription.on('fellBehind', () => say('fellBehind'))
  subscription.on('error', ((error: { type?: string }) => say(`error ${error.type}`)) as never)
  subscription.on('data', ((resolved: ResolvedEvent) => {
    found.push(resolved)
    say((resolved.event ?? resolved.link)!.type)
  }) as never)
  return {
    said,
    events: found,
    until: (condition) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`still waiting after: ${said.join(', ')}`)), 5_000)
        check = () => {
          if (!condition()) return
          clearTimeout(timer)
          resolve()
        }
        check()
      }),
    stop: () => subscription.unsubscribe(),
  }
}
