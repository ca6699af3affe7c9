import { type FileHandle, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Position } from '../../eventstore/store.js'
import { writeWhole } from '../../platform/files.js'

/** The beginning of another work is in the way; the message says whose. */
export class OtherPartial extends Error {
  override readonly name = 'OtherPartial'
}

const noted = z.object({
  /** What is being made: another work must not go on with it. */
  work: z.string(),
  /** What was settled when it began, such as the time that "7d" meant. */
  settings: z.unknown(),
  /** The last event that is in the files, or was left out of them, by commit and prepare position; null: none yet. */
  after: z.tuple([z.string(), z.string()]).nullable(),
  events: z.number().int(),
  /** Bytes of each file that count: what lies beyond was written after the note. */
  sizes: z.record(z.string(), z.number().int()),
})

/**
 * Files that are being written, in a folder beside the place where they will be: only whole ones get there. A work that was interrupted,
 * by whatever, goes on from its last note.
 */
export type Partial = {
  /** As it was when the work began. */
  readonly settings: unknown
  /** Where an earlier run had come to. */
  readonly after: Position | undefined
  /** How many events are in the files. */
  readonly events: () => number
  /** The files that there are, by the names that they were written under. */
  readonly files: () => readonly string[]
  readonly pathOf: (file: string) => string
  /** `events`: how many are in the text. Kept in memory for a while. */
  readonly write: (file: string, text: string, events: number) => void
  /** All events up to this one have been written: now and then they are given to the files, and noted. */
  readonly reached: (position: Position) => Promise<void>
  /** Puts everything onto the disk, notes it, and closes the files. */
  readonly close: () => Promise<void>
  /** Closes the files as they are: what counts is the last note. */
  readonly abandon: () => Promise<void>
}

type Open = { readonly handle: FileHandle; size: number; waiting: string[] }

/** Milliseconds between two notes. */
const noteEvery = 1_000
/** Characters that are kept in memory before they are given to the files. */
const together = 4_000_000

/** Throws `OtherPartial` where the folder holds the beginning of another work. */
export const openPartial = async (folder: string, work: string, settings: unknown): Promise<Partial> => {
  const note = await readNote(folder)
  if (note && note.work !== work) {
    throw new OtherPartial(
      `${folder} holds an export that was not finished:\n  ${note.work}\nRun that again to finish it, or remove the folder`,
    )
  }
  // What stands there without a note can't be gone on with.
  if (!note) await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const pathOf = (file: string): string => join(folder, file)
  const files = new Map<string, Open>()
  for (const [file, size] of Object.entries(note?.sizes ?? {})) {
    const handle = await open(pathOf(file), 'r+')
    await handle.truncate(size)
    files.set(file, { handle, size, waiting: [] })
  }
  const began = note ? note.settings : settings
  let events = note?.events ?? 0
  let after = note?.after ? { commit: BigInt(note.after[0]), prepare: BigInt(note.after[1]) } : undefined
  const resumed = after
  let lastNote = performance.now()
  let waitingLength = 0

  // Not opened yet: a file is made when the first text for it is drained.
  const named = new Map<string, string[]>()
  const openNamed = async (): Promise<void> => {
    for (const [file, waiting] of named) files.set(file, { handle: await open(pathOf(file), 'w+'), size: 0, waiting })
    named.clear()
  }

  // While one text is written the next one is made, and a note is taken while both go on; an error is told to who writes on.
  let writing: Promise<unknown> = Promise.resolve()
  let noting: Promise<void> | undefined
  let failure: { readonly error: unknown } | undefined
  const fail = (error: unknown): void => {
    failure ??= { error }
  }
  const assertWell = (): void => {
    if (failure) throw failure.error
  }

  const drain = async (): Promise<void> => {
    await openNamed()
    waitingLength = 0
    const before = writing
    const pieces: (() => Promise<void>)[] = []
    for (const file of files.values()) {
      if (file.waiting.length === 0) continue
      const bytes = Buffer.from(file.waiting.join(''))
      const at = file.size
      file.waiting = []
      file.size += bytes.length
      pieces.push(() => writeAll(file.handle, bytes, at))
    }
    await before
    assertWell()
    writing = Promise.all(pieces.map((write) => write())).catch(fail)
  }
  const settled = async (): Promise<void> => {
    await writing
    await noting
  }
  const closeFiles = async (): Promise<void> => {
    await settled()
    await Promise.all([...files.values()].map(({ handle }) => handle.close()))
  }
  /** Of all that was written until now; on disk when `noting` is over. */
  const beginNote = async (): Promise<void> => {
    await drain()
    const sizes = Object.fromEntries([...files].map(([name, { size }]) => [name, size]))
    const at = after ? [`${after.commit}`, `${after.prepare}`] : null
    const text = JSON.stringify({ work, settings: began, after: at, events, sizes })
    const handles = [...files.values()].map(({ handle }) => handle)
    const take = async (): Promise<void> => {
      await writing
      // A note must not speak of what is not there.
      if (failure) return
      await Promise.all(handles.map((handle) => handle.datasync()))
      await writeWhole(noteOf(folder), text, 0o600)
    }
    noting = take()
      .catch(fail)
      .finally(() => {
        noting = undefined
      })
    lastNote = performance.now()
  }
  return {
    settings: began,
    after: resumed,
    events: () => events,
    files: () => [...files.keys(), ...named.keys()],
    pathOf,
    write: (file, text, count) => {
      const waiting = files.get(file)?.waiting ?? named.get(file) ?? []
      if (!files.has(file)) named.set(file, waiting)
      waiting.push(text)
      waitingLength += text.length
      events += count
    },
    reached: async (position) => {
      after = position
      assertWell()
      const isDue = performance.now() - lastNote > noteEvery
      if (isDue && !noting) await beginNote()
      else if (waitingLength > together) await drain()
    },
    close: async () => {
      await noting
      await beginNote()
      await closeFiles()
      assertWell()
    },
    abandon: closeFiles,
  }
}

const writeAll = async (handle: FileHandle, bytes: Buffer, at: number): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten
  }
}

const noteOf = (folder: string): string => join(folder, 'progress.json')

const readNote = async (folder: string): Promise<z.infer<typeof noted> | undefined> => {
  const text = await readFile(noteOf(folder), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : noted.parse(JSON.parse(text))
}
