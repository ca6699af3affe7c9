import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { connect } from '../../connect.js'
import { askNode } from '../../embedded/eventstore/maintenance/admin.js'
import { endOfLog, type Forked, firstEvent, forkLog, type Until } from '../../embedded/eventstore/maintenance/fork.js'
import { rewriteLog } from '../../embedded/eventstore/maintenance/rewrite.js'
import { createdOf, dataOf, type StoredEvent, streamOf, typeOf } from '../../embedded/eventstore/storage/event.js'
import { diskFiles, freeBytes, isDiskFull } from '../../embedded/eventstore/storage/files.js'
import { isStore } from '../../embedded/eventstore/storage/log/open.js'
import { runningInstance } from '../../embedded/instance.js'
import { identityStream } from '../../eventstore/identity.js'
import { timeOf } from '../../history/engine/event.js'
import type { Place } from '../../history/engine/range.js'
import { createMask } from '../../history/mask.js'
import { type Config, readConfig } from '../../platform/config.js'
import { syncFolder } from '../../platform/files.js'
import { FolderInUse, holdLock } from '../../platform/folder-lock.js'
import { createLog } from '../../platform/log.js'
import { createPasswords } from '../../platform/passwords.js'
import { emailKeyOf, newSecret, writeSecrets } from '../../platform/secrets.js'
import { buildReadModels, settleIdentity } from '../fork-parts.js'
import { createProgress } from '../progress.js'
import { untilSignalled } from '../signals.js'

export type ForkFlags = { readonly at?: Place; readonly mask?: true }

/** What is forked, and how. */
type Work = {
  readonly config: Config
  /** The folder of the event store that is forked. */
  readonly source: string
  readonly emailKey: string
  readonly at: Place | undefined
  /** The one password of a masked fork. */
  readonly password: string | undefined
  readonly signal: AbortSignal
}

/**
 * A shop of its own in a folder of its own, whose history is this shop's up to a moment. All of it is made in `<folder>.forking`, which takes
 * its name when it is whole.
 */
export const fork = async (folder: string, { at, mask }: ForkFlags): Promise<void> => {
  const config = readConfig()
  const target = resolve(folder)
  const source = await sourceOf(config)
  await assertFree(target, resolve(config.data))
  const emailKey = await emailKeyOf(config)
  if (!emailKey)
    throw new Error(
      `${config.data} has no secrets.json: set EMAIL_KEY to the key that the shop's e-mail addresses are kept under`,
    )
  const password = mask ? randomBytes(9).toString('base64url') : undefined
  const { signal, done } = untilSignalled()
  const unfinished = `${target}.forking`
  try {
    const made = await inPlace(unfinished, target, () => make(unfinished, { config, source, emailKey, at, password, signal }))
    tell(folder, made, password, config)
  } catch (error) {
    throw explained(error, target)
  } finally {
    done()
  }
}

/** The folder of this shop's event store. Throws where it isn't embedded, or not there. */
const sourceOf = async ({ data, eventstoreUrl }: Config): Promise<string> => {
  if (eventstoreUrl)
    throw new Error(
      'EVENTSTORE_URL names a store that is not embedded, whose files are its own: restore a backup of it on a second node, and start a ' +
        'shop there with that EVENTSTORE_URL, a DATABASE_URL of its own and --start-over',
    )
  const folder = join(data, 'eventstore')
  if (!isStore(await diskFiles.list(folder)))
    throw new Error(`${folder} holds no event store: TILLROLL_DATA names the data folder of the shop to be forked`)
  return folder
}

const assertFree = async (target: string, data: string): Promise<void> => {
  if (!relative(data, target).startsWith('..')) throw new Error(`${target} is in the folder of the shop itself: choose another`)
  const there = await stat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return undefined
  })
  if (there && !there.isDirectory()) throw new Error(`${target} is no folder: choose another`)
  if (there && (await readdir(target)).length > 0) throw new Error(`${target} is not empty: choose another folder`)
}

/** Does the work in a folder that gets its name when all is well, and is gone when not. */
const inPlace = async <T>(unfinished: string, target: string, work: () => Promise<T>): Promise<T> => {
  await mkdir(unfinished, { recursive: true, mode: 0o700 })
  try {
    // What an interrupted one has left.
    const lock = await holdLock(unfinished)
    for (const name of await readdir(unfinished)) await rm(join(unfinished, name), { recursive: true })
    await lock.release()
  } catch (error) {
    if (error instanceof FolderInUse) throw new Error(`another fork is being made in ${target}`, { cause: error })
    throw error
  }
  try {
    const made = await work()
    await rm(target, { recursive: true, force: true })
    await rename(unfinished, target)
    await syncFolder(dirname(target))
    return made
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    throw error
  }
}

type Made = Forked & { readonly storeId: string }

const make = async (unfinished: string, work: Work): Promise<Made> => {
  const { config, emailKey, password, signal } = work
  const progress = createProgress(false)
  try {
    const folder = join(unfinished, 'eventstore')
    const plain = password === undefined ? folder : join(unfinished, 'plain')
    await mkdir(folder, { mode: 0o700 })
    await mkdir(plain, { recursive: true, mode: 0o700 })
    const show = (done: number, total: number): void =>
      progress.show({ phase: 'copying', events: 0, done: Math.min(1, done / Math.max(1, total)) })
    const forked = await reading(config, work.source, async (end) => {
      await assertRoom(unfinished, work, end)
      return forkLog({ source: work.source, target: plain, until: await untilOf(work, end), end, signal, onProgress: show })
    })
    const newEmailKey = password === undefined ? emailKey : newSecret()
    if (password !== undefined) {
      const passwordHash = await createPasswords({ cost: config.bcryptCost }).hash(password)
      const rewrite = createMask({ emailKey, newEmailKey, passwordHash })
      await rewriteLog({ source: plain, target: folder, rewrite, signal, onProgress: show })
      await rm(plain, { recursive: true })
    }
    const receipts = password === undefined ? forked.receipts : []
    const storeId = await settleIdentity(folder, { receipts, emailKey, newEmailKey })
    await writeSecrets(unfinished, newEmailKey)
    await fillReadModels(unfinished, work, progress)
    return { ...forked, storeId }
  } finally {
    progress.end()
  }
}

/** Hands on up to where the log may be read: a running node says so; else nobody may start one meanwhile. */
const reading = async <T>(config: Config, source: string, work: (end: number) => Promise<T>): Promise<T> => {
  const instance = await runningInstance(config.data)
  if (instance) {
    const { hostname: host, port } = new URL(instance.eventstoreUrl)
    return work((await askNode({ host, port: Number(port) }, 'status')).end)
  }
  const locks = [await holdLock(config.data)]
  try {
    locks.push(await holdLock(source))
    return await work(await endOfLog(source))
  } finally {
    for (const lock of locks) await lock.release()
  }
}

const isOfShop = (event: StoredEvent): boolean => !typeOf(event).startsWith('$') && streamOf(event) !== identityStream
const atOf = (event: StoredEvent): number => timeOf({ data: dataOf(event), created: createdOf(event) })

/** Throws where the place is not in the history. */
const untilOf = async ({ at, source }: Work, end: number): Promise<Until> => {
  if (!at) return 'now'
  const first = await firstEvent(source, isOfShop)
  if (!first) throw new Error('there are no events yet: without --at the empty shop is forked')
  const began = `the first event is of ${new Date(atOf(first)).toISOString()}, at position ${first.position}`
  if ('position' in at) {
    const position = Number(at.position)
    if (position < first.position) throw new Error(`--at ${position} is before the beginning: ${began}`)
    if (position >= end) throw new Error(`--at ${position} is after the last event: the log ends at position ${end}`)
    return { position }
  }
  const time = Date.parse(at.time)
  if (time > Date.now()) throw new Error(`--at ${at.time} is after now`)
  if (time < atOf(first)) throw new Error(`--at ${at.time} is before the beginning: ${began}`)
  return { isPast: (event) => isOfShop(event) && atOf(event) > time }
}

/** Bytes that an empty Postgres and an index need; what the read models will need, nobody knows yet. */
const least = 128 * 1024 * 1024

const assertRoom = async (folder: string, { source, password }: Work, end: number): Promise<void> => {
  const linked = password === undefined && (await stat(source)).dev === (await stat(folder)).dev
  const needed = least + (linked ? 0 : end)
  const free = freeBytes(folder)
  const inMiB = (bytes: number): string => `${Math.floor(bytes / 1024 / 1024)} MiB`
  if (free < needed) throw new Error(`the fork needs at least ${inMiB(needed)}, and its disk has ${inMiB(free)} left: make space`)
}

const fillReadModels = async (
  data: string,
  { config, signal }: Work,
  progress: ReturnType<typeof createProgress>,
): Promise<void> => {
  const { eventstoreUrl: _, databaseUrl: _database, jwtSecrets: _secrets, emailKey: _key, ...rest } = config
  const log = createLog(process.env.LOG_LEVEL ? config.logLevel : 'warn', { to: 2, format: config.logFormat })
  const connections = await connect({ ...rest, data } as Config, { join: false, log, signal })
  try {
    const onProgress = (now: Parameters<typeof progress.show>[0]): void => {
      // The rest is moments, where nobody writes.
      if (now.phase === 'reading') progress.show(now)
    }
    await buildReadModels(connections, { leaseTtl: config.leaseTtl, log, signal, onProgress })
  } finally {
    await connections.close()
  }
  // It is of a start that is over, under another name.
  await rm(join(data, 'instance.json'), { force: true })
}

const tell = (folder: string, { storeId, position, linked }: Made, password: string | undefined, { emailKey }: Config): void => {
  console.log(`${folder} is a shop of its own: store ${storeId}, with the history up to position ${position}`)
  if (password === undefined && linked > 0)
    console.log(`it shares ${linked} file${linked === 1 ? '' : 's'} of the log with this shop, which neither ever writes to`)
  if (password !== undefined) {
    console.log('names and e-mail addresses are pseudonyms: tillroll users list shows them')
    console.log(`everybody logs in with the password ${password}, which is not shown again`)
  }
  console.log(`start it with: TILLROLL_DATA=${folder} npx tillroll serve`)
  if (password !== undefined && emailKey) console.log('without EMAIL_KEY: its own key is in its secrets.json')
}

const explained = (error: unknown, target: string): unknown =>
  isDiskFull(error) || (error as { code?: string }).code === '53100'
    ? new Error(`the disk that holds ${target} is full: nothing of the fork is left; make space, and try again`, { cause: error })
    : error
