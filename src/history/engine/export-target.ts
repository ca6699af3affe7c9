import { readdir, stat } from 'node:fs/promises'
import { extname, resolve } from 'node:path'

export const formats = ['ndjson', 'csv', 'parquet'] as const
export type Format = (typeof formats)[number]

export const resultFormats = ['table', 'json', 'csv', 'parquet'] as const
export type ResultFormat = (typeof resultFormats)[number]

/** What can't be exported so; the message says how it can. */
export class CannotExport extends Error {
  override readonly name = 'CannotExport'
}

/** One file, or a folder with a file for each event type. */
export type Target = { readonly path: string; readonly kind: 'file' | 'folder' }

/**
 * Where an export goes: lines of JSON, and one event type alone, go into a file, unless a folder is named (one that there is, or that ends in a
 * slash). Throws `CannotExport`, also where something is there already.
 */
export const targetOf = async (out: string, format: Format, types: readonly string[] | undefined): Promise<Target> => {
  const path = resolve(out)
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  const isFolder = found?.isDirectory() || out.endsWith('/')
  const one = format === 'ndjson' || types?.length === 1
  if (!isFolder && !one && extname(path) === `.${format}`) {
    throw new CannotExport(`${format} has a file for each event type: name a folder, or one event type with --type`)
  }
  if (found && !(found.isDirectory() && (await readdir(path)).length === 0)) {
    throw new CannotExport(`${path} is there already: name another, or remove it`)
  }
  return { path, kind: one && !isFolder ? 'file' : 'folder' }
}
