import { randomBytes } from 'node:crypto'
import { access, constants, link, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, messageOf } from './errors.js'

/** Replaces a file so that a crash leaves the old or the new one, whole, and what was written is on disk when this returns. */
export const writeWhole = async (path: string, text: string | Uint8Array, mode: number): Promise<void> => {
  const half = await writeHalf(path, text, mode)
  await rename(half, path)
  await syncFolder(dirname(path))
}

/** Makes a file, whole and on disk, unless there is one: of several processes that try, one succeeds. Answers whether this one did. */
export const writeNew = async (path: string, text: string, mode: number): Promise<boolean> => {
  const half = await writeHalf(path, text, mode)
  try {
    await link(half, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    await rm(half)
    await syncFolder(dirname(path))
  }
}

const writeHalf = async (path: string, text: string | Uint8Array, mode: number): Promise<string> => {
  const half = `${path}.${randomBytes(4).toString('hex')}.new`
  const file = await open(half, 'w', mode)
  try {
    await file.chmod(mode)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  return half
}

/** Puts a folder's list of names on disk. */
export const syncFolder = async (path: string): Promise<void> => {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** A folder that can't be used; the message names the setting that chose it. */
export class FolderUnusable extends Error {
  override readonly name = 'FolderUnusable'
}

/**
 * Makes the folder where it is missing, step by step: to be told to make all of a path at once makes Node try without end where one
 * step can't be made, as under /proc. Throws `FolderUnusable`.
 */
export const assertWritable = async (path: string, setting: string): Promise<void> => {
  try {
    await makeSteps(path)
    await access(path, constants.W_OK | constants.X_OK)
  } catch (error) {
    const [code = '', message] = [codeOf(error), messageOf(error)]
    throw new FolderUnusable(`${setting}: ${path} ${unusable[code] ?? `can't be used (${message})`}: choose another folder`, {
      cause: error,
    })
  }
}

const unusable: { readonly [code: string]: string } = {
  EACCES: 'may not be written by this user',
  EPERM: 'may not be written by this user',
  EROFS: 'is on a file system that is read-only',
  ENOENT: "can't be made",
  ENOTDIR: 'is, or lies below, something that is no folder',
  EEXIST: 'is, or lies below, something that is no folder',
  ENOSPC: "can't be made, for the disk is full",
}

/** Whether something could not be written for want of room: on the disk, or in what its user or a file may have of it. */
export const isFull = (error: unknown): boolean => {
  const [code, message] = [codeOf(error), messageOf(error)]
  return (
    ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code ?? '') ||
    /No space left on device|File too large|Disk quota exceeded/i.test(message)
  )
}

const makeSteps = async (path: string): Promise<void> => {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return undefined
  })
  if (found?.isDirectory()) return
  if (found) throw Object.assign(new Error('no folder'), { code: 'ENOTDIR' })
  await makeSteps(dirname(path))
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    // Another process may have made it meanwhile.
    if (error.code !== 'EEXIST') throw error
  })
}
