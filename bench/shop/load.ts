/**
 * The load, in a process of its own: so many connections, each sending its next request when the last is answered. Plain sockets and the
 * least of HTTP, for it shares the machine with what it measures.
 */
import { connect } from 'node:net'
import { type Narrow, type RequestName, requests, type Target } from './requests.js'

export type Load = {
  readonly request: RequestName
  readonly connections: number
  readonly seconds: number
  readonly narrow?: Narrow
}

export type LoadResult = {
  /** Answers of the 2xx kind, and seconds from the first request to the last answer. */
  readonly count: number
  readonly seconds: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly slowest: number
  /** All other answers, by status; 0: the connection broke. */
  readonly others: { readonly [status: string]: number }
  /** Answers that came with a warning that they may be old. */
  readonly stale: number
  /** CPU of this process, microseconds for each answer. */
  readonly micros: number
}

export type Order = { readonly target: Target } | { readonly run: Load }

let target: Target | undefined

process.on('message', async (order: Order) => {
  if ('target' in order) target = order.target
  else process.send!(await run(target!, order.run))
})
process.on('disconnect', () => process.exit(0))

const run = async (target: Target, { request, connections, seconds, narrow = {} }: Load): Promise<LoadResult> => {
  const next = requests[request]
  const times: number[] = []
  const others: Record<string, number> = {}
  let stale = 0
  let last = 0
  const opened = await Promise.all(Array.from({ length: connections }, () => open(target.port)))
  const cpu = process.cpuUsage()
  const began = performance.now()
  const end = began + seconds * 1_000
  const client = async ({ ask }: Connection): Promise<void> => {
    for (let now = performance.now(); now < end; ) {
      const sent = now
      const answer = await ask(next(target, narrow))
      now = performance.now()
      last = now
      if (answer.status >= 200 && answer.status < 300) times.push(now - sent)
      else others[answer.status] = (others[answer.status] ?? 0) + 1
      if (answer.stale) stale++
      if (answer.status === 0) return
    }
  }
  await Promise.all(opened.map(client))
  const { user, system } = process.cpuUsage(cpu)
  for (const { close } of opened) close()
  const sorted = Float64Array.from(times).sort()
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
  const count = times.length
  return {
    ...{ count, seconds: (last - began) / 1_000, p50: at(0.5), p99: at(0.99), slowest: sorted.at(-1) ?? Number.NaN },
    ...{ others, stale, micros: (user + system) / count },
  }
}

type Answer = { readonly status: number; readonly stale: boolean }

type Connection = { readonly ask: (request: string) => Promise<Answer>; readonly close: () => void }

// What arrives is read before the next arrives, so all connections can share one.
const buffer = Buffer.allocUnsafe(256 * 1024)

const open = (port: number): Promise<Connection> =>
  new Promise((resolve, reject) => {
    let answered: (answer: Answer) => void = () => undefined
    let answer: Answer = { status: 0, stale: false }
    /** Bytes of the body that are still to come; below 0: the head is not complete. */
    let left = -1
    let head: Buffer | undefined

    const read = (size: number, shared: Uint8Array): boolean => {
      const bytes = shared as Buffer
      if (left < 0) {
        const start = head ? Buffer.concat([head, bytes.subarray(0, size)]) : bytes.subarray(0, size)
        const end = start.indexOf('\r\n\r\n')
        if (end < 0) {
          head = Buffer.from(start)
          return true
        }
        head = undefined
        answer = { status: Number(start.toString('latin1', 9, 12)), stale: start.indexOf('Warning: 110') >= 0 }
        left = lengthOf(start, end) - (start.length - end - 4)
      } else left -= size
      if (left === 0) {
        left = -1
        answered(answer)
      } else if (!(left > 0)) broken()
      return true
    }
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer, callback: read } })
    const broken = () => {
      socket.destroy()
      answered({ status: 0, stale: false })
    }
    const ask = (request: string): Promise<Answer> =>
      new Promise((done) => {
        answered = done
        if (socket.destroyed) return done({ status: 0, stale: false })
        socket.write(request, 'latin1')
      })
    socket.once('error', reject)
    socket.on('close', broken)
    socket.once('connect', () => {
      socket.off('error', reject).on('error', broken)
      resolve({ ask, close: () => socket.destroy() })
    })
  })

/** NaN, and so a broken connection, where the answer doesn't say. */
const lengthOf = (head: Buffer, end: number): number => {
  const at = head.indexOf('Content-Length: ')
  if (at < 0 || at > end) return Number.NaN
  let length = 0
  for (let i = at + 16; head[i]! >= 48 && head[i]! <= 57; i++) length = length * 10 + head[i]! - 48
  return length
}
