import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Position } from '../../eventstore/store.js'
import { columnarLine } from './lines.js'
import { type HistorySource, readHistory } from './read.js'

/** A stretch of the history, written as lines of JSON, on its way into a file of columns. */
export type Part = {
  readonly path: string
  readonly rows: number
  /** Users who were erased in it, and where. */
  readonly erased: readonly { readonly userId: string; readonly position: bigint }[]
  /** The last event that was looked at for it. */
  readonly after: { readonly commit: string; readonly prepare: string; readonly id: string }
}

type PartOptions = {
  readonly folder: string
  /** The most events of a part, but for those that come in one batch of the reading. */
  readonly size: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: { readonly position: bigint; readonly events: number }) => void) | undefined
}

/** What comes after a position, in parts. The file of a part is written over by the second one after it. */
export async function* partsOf(
  source: HistorySource,
  from: Position | undefined,
  { folder, size, signal, onProgress }: PartOptions,
): AsyncGenerator<Part, void> {
  let after: Part['after'] | undefined
  let count = 0
  let total = 0
  let part = await begin(join(folder, 'part-0.lines'))
  const finished = async (): Promise<Part> => ({ ...(await part.end()), after: after! })
  const reading = readHistory(source, {
    after: from,
    texts: true,
    ...(signal && { signal }),
    onProgress: ({ position: { commit, prepare }, id }) => {
      after = { commit: `${commit}`, prepare: `${prepare}`, id }
      onProgress?.({ position: commit, events: total })
    },
  })
  for await (const events of reading) {
    if (part.rows() >= size) {
      yield await finished()
      part = await begin(join(folder, `part-${++count % 3}.lines`))
    }
    await part.add(events)
    total += events.length
  }
  const last = await part.end()
  if (after) yield { ...last, after }
}

type Events = typeof readHistory extends (...args: never) => AsyncGenerator<infer Batch, void> ? Batch : never

/** Characters that are kept in memory before they are written. */
const together = 1_000_000

const begin = async (path: string) => {
  const file = await open(path, 'w')
  const erased: { readonly userId: string; readonly position: bigint }[] = []
  let waiting = ''
  let rows = 0
  let writing: Promise<void> = Promise.resolve()
  const write = async (bytes: Buffer): Promise<void> => {
    for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten
  }
  /** One text is written while the next one is made; an error comes with the next. */
  const drain = async (): Promise<void> => {
    const bytes = Buffer.from(waiting)
    waiting = ''
    await writing
    writing = write(bytes)
    writing.catch(() => undefined)
  }
  return {
    rows: (): number => rows,
    add: async (events: Events): Promise<void> => {
      for (const event of events) {
        waiting += columnarLine(event)
        if (event.type === 'UserErased') erased.push({ userId: `${event.data.userId}`, position: event.position })
      }
      rows += events.length
      if (waiting.length > together) await drain()
    },
    end: async () => {
      try {
        await drain()
        await writing
      } finally {
        await file.close()
      }
      return { path, rows, erased }
    },
  }
}
