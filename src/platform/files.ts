import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Replaces a file so that a crash leaves the old or the new one, whole, and what was written is on disk when this returns. */
export const writeWhole = async (path: string, text: string, mode: number): Promise<void> => {
  const half = `${path}.new`
  const file = await open(half, 'w', mode)
  try {
    await file.chmod(mode)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(half, path)
  await syncFolder(dirname(path))
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
