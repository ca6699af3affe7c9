import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, readFile, stat } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { platform } from 'node:process'

/** Another process holds the folder; the message says which, as far as it is known. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse'
  readonly pid: number | undefined
  constructor(folder: string, pid?: number) {
    super(`${folder} is in use by another process${pid === undefined ? '' : ` (pid ${pid})`}`)
    this.pid = pid
  }
}

export type Lock = { readonly release: () => Promise<void> }

/**
 * Holds a folder (made if it is missing) for this process alone, until `release` or the process's death: the kernel keeps the lock,
 * so nothing stale can stay behind. Throws `FolderInUse`. The folder is known by device and inode: a link to it, or another spelling, is
 * the same folder. Known limit: on Linux the lock is seen by the processes of one network namespace, not by another container's.
 */
export const holdLock = async (folder: string): Promise<Lock> => {
  await mkdir(folder, { recursive: true })
  return platform === 'darwin' ? holdFile(folder) : holdSocket(folder)
}

/** Who holds the folder, as far as it is known; `undefined`: nobody. On macOS asking means holding it for a moment. */
export const holderOf = async (folder: string): Promise<{ readonly pid?: number } | undefined> => {
  if (!(await stat(folder).catch(() => undefined))) return undefined
  if (platform !== 'darwin') {
    const holder = await whoHolds(await socketAddress(folder))
    return holder === 'gone' ? undefined : holder
  }
  try {
    await (await holdFile(folder)).release()
    return undefined
  } catch (error) {
    if (error instanceof FolderInUse) return error.pid === undefined ? {} : { pid: error.pid }
    throw error
  }
}

// An abstract socket (Linux) or a named pipe (Windows) lives exactly as long as its owner, and binding to it is atomic.
const holdSocket = async (folder: string): Promise<Lock> => {
  const address = await socketAddress(folder)
  // A holder can be gone between our attempt to bind and our question who it is: then the name is free, so try again.
  for (let attempt = 0; attempt < 3; attempt++) {
    const server = await bind(address)
    if (server) return { release: () => new Promise((resolve) => server.close(() => resolve())) }
    const holder = await whoHolds(address)
    if (holder !== 'gone') throw new FolderInUse(folder, holder.pid)
  }
  throw new FolderInUse(folder)
}

const socketAddress = async (folder: string): Promise<string> => {
  const { dev, ino } = await stat(folder, { bigint: true })
  const hash = createHash('sha512').update(`${dev}:${ino}`).digest('hex')
  if (platform === 'win32') return `\\\\.\\pipe\\tillroll-${hash.slice(0, 32)}`
  // All of the 108 bytes that an address has: versions of Node differ in whether they pad a shorter name, and must meet each other.
  return `\0tillroll-${hash}`.slice(0, 108)
}

const bind = (address: string): Promise<Server | undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.end(`${process.pid}`)
    })
    server.unref()
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)))
    server.listen({ path: address, exclusive: true }, () => resolve(server))
  })

/** A holder that is stopped doesn't answer, and still holds. */
const whoHolds = (address: string): Promise<{ pid?: number } | 'gone'> =>
  new Promise((resolve) => {
    const socket = connect(address)
    let answer = ''
    socket.setTimeout(500, () => socket.destroy())
    socket.on('data', (data) => {
      answer += data
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'gone' : {}),
    )
    socket.on('close', () => resolve(/^\d+$/.test(answer) ? { pid: Number(answer) } : {}))
  })

// macOS has no abstract sockets, but locks a file as it opens it. (Node's constants don't list the flag.)
const openAndLock = 0x20

const holdFile = async (folder: string): Promise<Lock> => {
  const path = join(folder, 'lock')
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | openAndLock
  const file = await open(path, flags, 0o600).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EAGAIN' && error.code !== 'EWOULDBLOCK') throw error
    const pid = Number(await readFile(path, 'utf8'))
    throw new FolderInUse(folder, pid > 0 ? pid : undefined)
  })
  await file.truncate(0)
  await file.write(`${process.pid}`, 0)
  return { release: () => file.close() }
}
