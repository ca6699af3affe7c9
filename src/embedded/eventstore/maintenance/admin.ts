import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { connect } from 'node:http2'
import { Readable } from 'node:stream'
import { messageOf } from '../../../platform/errors.js'
import type { Aside } from '../protocol/server.js'
import type { Store } from '../storage/store.js'
import { backupOf } from './backup.js'
import type { Check, CheckStatus } from './check.js'
import { type OnProgress, type ScavengeReport, scavenge } from './scavenge.js'
import { type VerifyReport, verifyStore } from './verify.js'
import type { ChainHead } from './verify-chain.js'

/** What a running node is asked to do, on its own port, from its own machine: beside gRPC, lines of JSON. */
export type Reports = {
  /** The chain at the end. */
  readonly head: ChainHead
  readonly scavenge: ScavengeReport
  readonly verify: VerifyReport
  readonly status: StatusReport
}

export type StatusReport = {
  /** The position after the last event. */
  readonly end: number
  readonly segments: number
  readonly bytes: number
  /** Whether appends are refused because the disk is full. */
  readonly full: boolean
  readonly check: CheckStatus
}

type Task = keyof Reports
type Line = { readonly done: number; readonly total: number } | { readonly report: unknown } | { readonly error: string }

const prefix = '/tillroll/'
/** The trailer that says what went wrong with a backup. */
const failed = 'tillroll-error'
/** The header that names a sealed head, which a verification must find in the chain. */
const sealedHeader = 'tillroll-sealed'
const headFrom = (header: string | string[] | undefined): ChainHead | undefined =>
  typeof header === 'string' ? (JSON.parse(header) as ChainHead) : undefined
/** What is answered at once, beside whatever the node is at. */
const isQuick = (task: string): boolean => task === 'status' || task === 'head'
const isLocal = (address: string | undefined): boolean => /^(::ffff:)?127\.|^::1$/.test(address ?? '')

const statusOf = (store: Store, check: Check): StatusReport => {
  const segments = store.log.segments()
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  return { end: store.log.end(), segments: segments.length, bytes, full: store.isFull(), check: check.status() }
}

/** Serves the tasks of a store, one at a time, and at any time says how it stands. */
export const serveAdmin = (store: Store, check: Check, now: () => number): Aside => {
  let busy: string | undefined

  const work = async (task: string, headers: IncomingHttpHeaders, progress: OnProgress): Promise<unknown> => {
    if (task === 'status') return statusOf(store, check)
    if (task === 'head') return { position: store.log.end(), chain: store.log.chain().toString('hex') } satisfies ChainHead
    if (task === 'scavenge') return scavenge(store, now(), progress)
    return verifyStore(store, progress, headFrom(headers[sealedHeader]))
  }

  const run = async (stream: ServerHttp2Stream, task: string, headers: IncomingHttpHeaders): Promise<void> => {
    const say = (line: Line): void => {
      if (!stream.destroyed) stream.write(`${JSON.stringify(line)}\n`)
    }
    const progress = (done: number, total: number): void => say({ done, total })
    stream.respond({ ':status': 200, 'content-type': 'application/x-ndjson' })
    try {
      say({ report: await work(task, headers, progress) })
    } catch (error) {
      say({ error: messageOf(error) })
    }
    if (!stream.destroyed) stream.end()
  }

  const send = (stream: ServerHttp2Stream): Promise<void> =>
    new Promise((resolve) => {
      let failure: string | undefined
      stream.on('wantTrailers', () => stream.sendTrailers(failure === undefined ? {} : { [failed]: encodeURIComponent(failure) }))
      stream.respond({ ':status': 200, 'content-type': 'application/octet-stream' }, { waitForTrailers: true })
      const source = Readable.from(backupOf(store), { objectMode: false })
      // A backup that breaks off has no end, and who reads it sees that; the trailer says why.
      source.on('error', (error) => {
        failure = error.message
        stream.end()
      })
      stream.on('close', () => {
        source.destroy()
        resolve()
      })
      source.pipe(stream)
    })

  return (stream, headers) => {
    const path = headers[':path'] ?? ''
    if (!path.startsWith(prefix)) return false
    const task = path.slice(prefix.length)
    const known = ['scavenge', 'verify', 'backup', 'status', 'head'].includes(task) && headers[':method'] === 'POST'
    const waits = busy !== undefined && !isQuick(task)
    const status = !isLocal(stream.session?.socket.remoteAddress) ? 403 : !known ? 404 : waits ? 409 : 0
    if (status > 0) {
      stream.respond({ ':status': status }, { endStream: status !== 409 })
      if (status === 409) stream.end(`the node is at a ${busy} already`)
      return true
    }
    if (isQuick(task)) {
      void run(stream, task, headers)
      return true
    }
    busy = task
    const running = task === 'backup' ? send(stream) : run(stream, task, headers)
    void running.finally(() => {
      busy = undefined
    })
    return true
  }
}

type Address = { readonly host: string; readonly port: number }

/** The node could not be asked, or could not do it. */
export class AdminFailed extends Error {
  override readonly name = 'AdminFailed'
}

async function* ask({ host, port }: Address, task: string, headers: OutgoingHttpHeaders = {}): AsyncIterable<Buffer> {
  const session = connect(`http://${host.includes(':') ? `[${host}]` : host}:${port}`)
  // What ends the connection ends the request too, which says why.
  session.on('error', () => undefined)
  try {
    const request = session.request({ ...headers, ':method': 'POST', ':path': `${prefix}${task}` }, { endStream: true })
    const status = await new Promise<number>((resolve, reject) => {
      const gone = (error?: Error): void => {
        const why = (error?.cause ?? error) as Error | undefined
        reject(new AdminFailed(`no node answers at ${host}:${port}${why ? `: ${why.message}` : ''}`))
      }
      request.on('response', (headers) => resolve(headers[':status']!))
      request.on('error', gone)
      request.on('close', () => gone())
    })
    if (status !== 200) throw new AdminFailed(status === 409 ? 'the node is at another such task' : `the node answered ${status}`)
    let failure: string | undefined
    request.on('trailers', (trailers) => {
      if (trailers[failed] !== undefined) failure = decodeURIComponent(`${trailers[failed]}`)
    })
    for await (const chunk of request) yield chunk as Buffer
    if (failure !== undefined) throw new AdminFailed(failure)
  } finally {
    session.destroy()
  }
}

/** Has a running node scavenge or verify itself (`sealed`: a head that its chain must hold), or say how it stands. Throws `AdminFailed`. */
export const askNode = async <T extends Task>(
  node: Address,
  task: T,
  onProgress?: (done: number, total: number) => void,
  sealed?: ChainHead,
): Promise<Reports[T]> => {
  let text = ''
  for await (const chunk of ask(node, task, sealed && { [sealedHeader]: JSON.stringify(sealed) })) {
    text += chunk.toString('utf8')
    const lines = text.split('\n')
    text = lines.pop()!
    for (const line of lines.map((one) => JSON.parse(one) as Line)) {
      if ('report' in line) return line.report as Reports[T]
      if ('error' in line) throw new AdminFailed(line.error)
      onProgress?.(line.done, line.total)
    }
  }
  throw new AdminFailed('the node did not finish it')
}

/** A running node's backup, for `writeBackup`. Throws `AdminFailed`. */
export const backupOfNode = (node: Address): AsyncIterable<Buffer> => ask(node, 'backup')
