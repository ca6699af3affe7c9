import { randomBytes } from 'node:crypto'
import { link, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Replaces a file so that a crash leaves the old or the new one, whole, and what was written is on disk when this returns. */
export const writeWhole = async (path: string, text: string, mode: number): Promise<void> => {
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
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(half)
    await syncFolder(dirname(path))
  }
}

const writeHalf = async (path: string, text: string, mode: number): Promise<string> => {
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
