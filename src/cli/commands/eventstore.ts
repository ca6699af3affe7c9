import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SingleBar } from 'cli-progress'
import { acceptEnd as acceptLogEnd } from '../../embedded/eventstore/maintenance/accept-end.js'
import { askNode, backupOfNode } from '../../embedded/eventstore/maintenance/admin.js'
import { restore as restoreStore, writeBackup } from '../../embedded/eventstore/maintenance/backup.js'
import type { CheckStatus } from '../../embedded/eventstore/maintenance/check.js'
import type { OnProgress } from '../../embedded/eventstore/maintenance/scavenge.js'
import { makeSeal, openSeal, sealKey } from '../../embedded/eventstore/maintenance/seal.js'
import { type VerifyReport, verifyFolder } from '../../embedded/eventstore/maintenance/verify.js'
import type { ChainHead } from '../../embedded/eventstore/maintenance/verify-chain.js'
import { type NodeOptions, startNode } from '../../embedded/eventstore/node.js'
import type { Endpoint } from '../../embedded/eventstore/protocol/methods/about.js'
import { diskFiles } from '../../embedded/eventstore/storage/files.js'
import { isStore } from '../../embedded/eventstore/storage/log/open.js'
import { runningInstance } from '../../embedded/instance.js'
import { readConfig } from '../../platform/config.js'
import { holdLock } from '../../platform/folder-lock.js'
import { untilSignalled } from '../signals.js'

type StoreAddress = { readonly data?: string; readonly port?: number }
type Address = { readonly host: string; readonly port: number }

const folderOf = ({ data }: StoreAddress): string => data ?? join(readConfig().data, 'eventstore')

/** The folder of a store that is there: a wrong name must not make an empty one, and find it in order. */
const storeOf = async (place: StoreAddress): Promise<string> => {
  const folder = folderOf(place)
  if (!isStore(await diskFiles.list(folder))) throw new Error(`${folder} holds no event store`)
  return folder
}

/** It may have been aborted before the node was ready. */
const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

type ServeFlags = StoreAddress & Address & { readonly cert?: string; readonly key?: string; readonly advertise?: string }

/** The password that EventStoreDB's users have until somebody gives them another. */
const standardPassword = 'changeit'

const pem = async (option: string, file: string): Promise<Buffer> => {
  const bytes = await readFile(file).catch((error: Error) => {
    throw new Error(`${option} ${file} can't be read: ${error.message}`)
  })
  if (!bytes.includes('-----BEGIN ')) throw new Error(`${option} ${file} is no PEM file`)
  return bytes
}

/** With a certificate there are users, and their passwords come from the variables that EventStoreDB has for them. */
const securityOf = async ({ cert, key }: ServeFlags): Promise<Pick<NodeOptions, 'tls' | 'passwords'>> => {
  if ((cert === undefined) !== (key === undefined)) throw new Error('--cert and --key are given together')
  if (cert === undefined || key === undefined) return {}
  const { EVENTSTORE_DEFAULT_ADMIN_PASSWORD: admin, EVENTSTORE_DEFAULT_OPS_PASSWORD: ops } = process.env
  return {
    tls: { cert: await pem('--cert', cert), key: await pem('--key', key) },
    passwords: { admin: admin || standardPassword, ops: ops || standardPassword },
  }
}

/** `host`, `host:port` or `[address]:port`. */
const advertisedOf = (text: string, port: number): Endpoint => {
  const match = /^(?:\[([0-9a-f:]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/i.exec(text)
  if (!match) throw new Error(`--advertise ${text}: it is a host, or a host and a port (shop.example:2113)`)
  return { host: (match[1] ?? match[2])!, port: Number(match[3] ?? port) }
}

export const serve = async ({ port, host, ...flags }: ServeFlags): Promise<void> => {
  const folder = folderOf(flags)
  const security = await securityOf({ port, host, ...flags })
  const advertised = flags.advertise === undefined ? {} : { advertised: advertisedOf(flags.advertise, port) }
  const { signal } = untilSignalled()
  const lock = await holdLock(folder)
  try {
    const progress = progressOf('making the index anew')
    const node = await startNode({ folder, port, host, ...security, ...advertised, onProgress: progress.update })
    progress.stop()
    console.log(
      `the event store of ${folder} serves esdb://${host.includes(':') ? `[${host}]` : host}:${node.port}?tls=${security.tls !== undefined}`,
    )
    if (security.passwords?.admin === standardPassword)
      console.log(
        `admin has the password that everybody knows (${standardPassword}): EVENTSTORE_DEFAULT_ADMIN_PASSWORD gives another`,
      )
    try {
      await Promise.race([node.failed, aborted(signal)])
    } finally {
      await node.close()
    }
  } finally {
    await lock.release()
  }
}

/** The node that runs, named by its port or found by the shop's folder; `undefined`: nobody has the folder. */
const runningNode = async ({ data, port }: StoreAddress): Promise<Address | undefined> => {
  if (port !== undefined) return { host: '127.0.0.1', port }
  const config = readConfig()
  if (data !== undefined) return undefined
  if (config.eventstoreUrl) throw new Error('EVENTSTORE_URL names a store that is not embedded: its own tools care for it')
  const instance = await runningInstance(config.data)
  if (!instance) return undefined
  const { hostname, port: found } = new URL(instance.eventstoreUrl)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(found) }
}

/** Asks the node that runs; where none does, one runs here for as long as the work takes. */
const withNode = async (place: StoreAddress, work: (node: Address) => Promise<void>): Promise<void> => {
  const running = await runningNode(place)
  if (running) return work(running)
  const folder = await storeOf(place)
  const lock = await holdLock(folder)
  try {
    const node = await startNode({ folder })
    try {
      await work({ host: '127.0.0.1', port: node.port })
    } finally {
      await node.close()
    }
  } finally {
    await lock.release()
  }
}

export type VerifyFlags = StoreAddress & { readonly seal?: string; readonly sealKey?: string }

/** Throws where anything is wrong with the store, or a seal doesn't fit it. */
export const verify = async ({ seal, sealKey: trusted, ...place }: VerifyFlags): Promise<void> => {
  if (trusted !== undefined && seal === undefined) throw new Error('--seal-key says who may have signed: name the --seal too')
  const sealed = seal === undefined ? undefined : openSeal(await readFile(seal, 'utf8'), trusted && (await readFile(trusted)))
  const head = sealed && { position: sealed.position, chain: sealed.chain }
  const progress = progressOf('verifying')
  const running = await runningNode(place)
  const report = running
    ? await askNode(running, 'verify', progress.update, head)
    : await verifyClosed(await storeOf(place), progress.update, head)
  progress.stop()
  tellReport(report)
  const { problems } = report
  for (const problem of problems) console.log(problem)
  if (problems.length > 0)
    throw new Error(`${problems.length} problem${problems.length === 1 ? '' : 's'} found: restore a backup`)
  if (sealed) console.log(`the log is what was sealed on ${sealed.at}, up to position ${sealed.position}`)
  console.log('no problems found')
}

const tellReport = ({ segments, events, streams, bytes, tornBytes, chain }: VerifyReport): void => {
  console.log(`${events} events in ${streams} streams, ${bytes} bytes in ${segments} segments`)
  if (chain.from === undefined) console.log('the log has no chain yet: it begins when this release writes to it')
  else console.log(`the chain begins at position ${chain.from} and links ${chain.groups} groups`)
  if (chain.removed > 0)
    console.log(`${chain.removed} of its records were removed by scavenges, and ${chain.receipts.length} receipts cover them`)
  if (tornBytes > 0)
    console.log(
      `${tornBytes} bytes at the end were torn by a crash; nobody was answered for them, and the next start cuts them off`,
    )
}

const verifyClosed = async (folder: string, onProgress: OnProgress, sealed: ChainHead | undefined): Promise<VerifyReport> => {
  const lock = await holdLock(folder)
  try {
    return await verifyFolder(folder, { onProgress, sealed })
  } finally {
    await lock.release()
  }
}

export type SealFlags = StoreAddress & { readonly key: string; readonly out?: string }

/** Signs the head of the chain as it is now: a file, or the output. The key is made where its file is not there. */
export const seal = ({ key: path, out, ...place }: SealFlags): Promise<void> =>
  withNode(place, async (node) => {
    const { key, made } = await sealKey(path)
    if (made) console.error(`${path}: a new key; keep it, and the seals, where nobody who can write the store can reach them`)
    const text = `${JSON.stringify(makeSeal(await askNode(node, 'head'), key, new Date().toISOString()), null, 2)}\n`
    if (out === undefined) process.stdout.write(text)
    else await writeFile(out, text, { flag: 'wx' })
  })

/** How the node that runs stands. Throws where the check in its background has found damage. */
export const status = async (place: StoreAddress): Promise<void> => {
  const running = await runningNode(place)
  if (!running) throw new Error('no event store runs here: "tillroll eventstore verify" reads the one that is stopped')
  const { end, segments, bytes, full, check } = await askNode(running, 'status')
  console.log(`${bytes} bytes in ${segments} segments, up to position ${end}`)
  if (full) console.log('the disk is full: nothing can be written until there is space; reads go on')
  const percent = Math.floor((100 * check.done) / Math.max(1, check.total))
  const words: Readonly<Record<CheckStatus['state'], string>> = {
    unneeded: 'all files were read and checked at the start',
    running: `the files are being checked: ${percent} %`,
    whole: 'all files that were there at the start are checked, and whole',
    damaged: 'the files are damaged',
    stopped: `the check was stopped at ${percent} %`,
  }
  console.log(words[check.state])
  for (const problem of check.problems) console.log(problem)
  if (check.problems.length > 0) throw new Error('damage was found: restore a backup')
}

export const acceptEnd = async (place: StoreAddress): Promise<void> => {
  if (await runningNode(place)) throw new Error('the store is in use: stop it first')
  const folder = await storeOf(place)
  const lock = await holdLock(folder)
  try {
    const end = await acceptLogEnd(folder)
    console.log(`the log of ${folder} is taken to end at position ${end}; what may have stood behind that is given up`)
  } finally {
    await lock.release()
  }
}

export const scavenge = (place: StoreAddress): Promise<void> =>
  withNode(place, async (node) => {
    const progress = progressOf('scavenging')
    const { removed, events, bytesBefore, bytesAfter } = await askNode(node, 'scavenge', progress.update)
    progress.stop()
    console.log(`removed ${removed} of ${events} events; ${bytesBefore} bytes became ${bytesAfter}`)
  })

export const backup = (file: string, place: StoreAddress): Promise<void> =>
  withNode(place, async (node) => {
    const size = await writeBackup(backupOfNode(node), file)
    console.log(`${file}: ${size} bytes, read again and whole`)
  })

export const restore = async (file: string, place: StoreAddress): Promise<void> => {
  if (await runningNode(place)) throw new Error('the shop runs on this folder: stop it first')
  const folder = folderOf(place)
  await restoreStore(file, folder)
  console.log(
    `${folder} holds the store of ${file}. Read models that have seen more are refused: start the shop once with serve --start-over`,
  )
}

const everyMilliseconds = 2_000

/** On the standard error: a bar at a terminal, else a line now and then. What is done within moments shows nothing. */
const progressOf = (what: string): { update: (done: number, total: number) => void; stop: () => void } => {
  const bar = process.stderr.isTTY
    ? new SingleBar({ format: `${what} [{bar}] {percentage}%`, stream: process.stderr })
    : undefined
  let started = false
  let last = performance.now()
  return {
    update: (done, total) => {
      if (bar) {
        if (!started) bar.start(total, done)
        started = true
        bar.update(done)
      } else if (performance.now() - last > everyMilliseconds) {
        last = performance.now()
        process.stderr.write(`${what}: ${Math.floor((100 * done) / Math.max(1, total))} %\n`)
      }
    },
    stop: () => {
      if (started) bar?.stop()
    },
  }
}
