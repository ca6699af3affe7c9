import { EventStoreDBClient } from '@eventstore/db-client'

/** A client in a process of its own, to be suspended: one connection that is idle, and one that reads and has paused. */
const url = `${process.argv[2]}&keepAliveInterval=-1`
const idle = EventStoreDBClient.connectionString(url)
for await (const _ of idle.readAll({ maxCount: 1 })) break
const reading = EventStoreDBClient.connectionString(url).readAll()
reading.once('data', () => {
  reading.pause()
  process.send!('reading')
})
setInterval(() => undefined, 1_000)
