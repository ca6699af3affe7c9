import { randomUUID } from 'node:crypto'
import { closeSync, fdatasync, openSync, readFileSync, unlinkSync, write } from 'node:fs'
import { join } from 'node:path'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { scanAll } from '../../src/eventstore/scan.js'
import { recorded } from '../../src/eventstore/scan-decode.js'

/** Seconds of CPU that a process has used (Linux); NaN elsewhere. */
export const cpuOf = (pid: number): number => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return Number.NaN
  }
}

/** Mebibytes of memory that a process has and had at most (Linux). */
export const memoryOf = (pid: number): { now: number; most: number } => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const of = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
  return { now: of('VmRSS'), most: of('VmHWM') }
}

/** Milliseconds that a write of 400 bytes and its fdatasync take in a folder, in the middle. */
export const syncTime = async (folder: string): Promise<number> => {
  const path = join(folder, 'sync-time')
  const file = openSync(path, 'w')
  const bytes = Buffer.alloc(400, 1)
  const times: number[] = []
  for (let i = 0; i < 1_000; i++) {
    const began = performance.now()
    await new Promise<void>((resolve) => write(file, bytes, 0, 400, i * 400, () => fdatasync(file, () => resolve())))
    times.push(performance.now() - began)
  }
  closeSync(file)
  unlinkSync(path)
  return times.sort((a, b) => a - b)[500]!
}

const pad = 'x'.repeat(190)

export type AppendRate = { readonly rate: number; readonly serverMicroseconds: number; readonly clientMicroseconds: number }

/** Appends a second that so many callers reach, each waiting for its answer, over some seconds; and the CPU that one costs. */
export const appendRate = async (
  { url, pid }: { readonly url: string; readonly pid: number },
  callers: number,
  seconds: number,
  streams = 1_000_000,
): Promise<AppendRate> => {
  const client = EventStoreDBClient.connectionString(url)
  let count = 0
  let over = false
  const caller = async (): Promise<void> => {
    while (!over) {
      const stream = `bench-${Math.floor(Math.random() * streams)}`
      await client.appendToStream(stream, jsonEvent({ id: randomUUID(), type: 'Happened', data: { n: count, pad } }))
      count++
    }
  }
  const warm = caller()
  await new Promise((resolve) => setTimeout(resolve, 500))
  over = true
  await warm
  over = false
  count = 0
  const began = performance.now()
  const cpu = { server: cpuOf(pid), client: process.cpuUsage() }
  const work = Promise.all(Array.from({ length: callers }, caller))
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000))
  over = true
  await work
  const rate = count / ((performance.now() - began) / 1_000)
  const { user, system } = process.cpuUsage(cpu.client)
  const serverMicroseconds = ((cpuOf(pid) - cpu.server) / count) * 1e6
  await client.dispose()
  return { rate, serverMicroseconds, clientMicroseconds: (user + system) / count }
}

export type ReadRate = { readonly events: number; readonly rate: number; readonly serverMicroseconds: number }

const measured = async (pid: number, read: () => Promise<number>): Promise<ReadRate> => {
  const cpu = cpuOf(pid)
  const began = performance.now()
  const events = await read()
  const seconds = (performance.now() - began) / 1_000
  return { events, rate: events / seconds, serverMicroseconds: ((cpuOf(pid) - cpu) / events) * 1e6 }
}

/** The client's `readAll`. */
export const clientRate = (url: string, pid: number, maxCount: number): Promise<ReadRate> =>
  measured(pid, async () => {
    const client = EventStoreDBClient.connectionString(url)
    let events = 0
    for await (const one of client.readAll({ maxCount })) if (one.event) events++
    await client.dispose()
    return events
  })

/** The reader by hand: bare, or with every event parsed. */
export const scanRate = (url: string, pid: number, limit: number, parse: boolean): Promise<ReadRate> =>
  measured(pid, async () => {
    let events = 0
    for await (const some of scanAll(url, { limit })) {
      if (parse) for (const one of some) if (recorded(one).data === undefined) throw new Error('an event without data')
      events += some.length
    }
    return events
  })
