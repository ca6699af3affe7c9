import { join } from 'node:path'
import type { Files } from '../files.js'
import { chainStart } from './chain.js'
import { Damaged, NoStore } from './errors.js'
import { createEventLog, type EventLog } from './log.js'
import { endOfGroups } from './recover.js'
import { createSegment, formatVersion, isSegmentName, isUnfinished, openSegment, type Segment } from './segment.js'
import { isSyncedEndName, openSyncedEnd, readSyncedEnd, type SyncedEnd, syncedEndName } from './synced-end.js'

export type OpenedLog = {
  readonly log: EventLog
  /** What was noted of a store that was closed in order. */
  readonly closed: SyncedEnd | undefined
  /** Bytes of a torn group that were cut off. */
  readonly cut: number
}

/** Whether these are the names of a store's files. */
export const isStore = (names: readonly string[]): boolean => names.some((name) => isSegmentName(name) || isSyncedEndName(name))

/** What may be where a store begins: what a first start left that did not get far, and what systems put into every folder. */
const mayBeThere = (name: string): boolean => isUnfinished(name) || name.startsWith('.') || ['lock', 'lost+found'].includes(name)

/** Opens the log in a folder, or begins one. Throws `Damaged`, `UnknownVersion` and `NoStore`, having changed nothing. */
export const openLog = async (files: Files, folder: string, { segmentBytes = 64 * 1024 * 1024 } = {}): Promise<OpenedLog> => {
  await files.makeFolder(folder)
  const noted = await readSyncedEnd(files, folder)
  const names = await files.list(folder)
  const foreign = isStore(names) ? undefined : names.find((name) => !mayBeThere(name))
  if (foreign !== undefined)
    throw new NoStore(`${folder} holds no event store, but other things (${foreign}): name a folder of its own`)
  const segments = await openSegments(files, folder, names.filter(isSegmentName).sort())
  try {
    if (segments.length === 0 && noted && noted.synced > 0)
      throw new Damaged(join(folder, syncedEndName), 0, 'the log it belongs to is missing')
    if ((segments.at(-1)?.end ?? 0) > 0 && !names.some(isSyncedEndName)) throw endUnknown(folder)
    const { cut, chain } = await recover(segments, noted)
    for (const name of names.filter(isUnfinished)) await files.remove(join(folder, name))
    await beginChained(files, folder, segments)
    const syncedEnd = await openSyncedEnd(files, folder, segments.at(-1)!.end)
    return {
      log: createEventLog(files, folder, segments, { syncedEnd, chain, segmentBytes }),
      closed: noted?.closed && cut === 0 ? noted : undefined,
      cut,
    }
  } catch (error) {
    for (const segment of segments) await segment.file.close()
    throw error
  }
}

/** They are there before the first event is, and no crash removes them: without them nobody can say whether the log's end is all there. */
export const endUnknown = (folder: string): Damaged =>
  new Damaged(
    join(folder, syncedEndName),
    0,
    'it and its copy are gone, and they alone know where the log must end: restore a backup, or take the log as it ends now ' +
      'with "tillroll eventstore accept-end"',
  )

const openSegments = async (files: Files, folder: string, names: readonly string[]): Promise<Segment[]> => {
  const segments: Segment[] = []
  try {
    for (const name of names) {
      const path = join(folder, name)
      const segment = await openSegment(files, path, name === names.at(-1) ? 'write' : 'read')
      segments.push(segment)
      const expected = segments.length > 1 ? segments.at(-2)!.end : 0
      if (segment.base === expected) continue
      const before = segments.at(-2)
      throw before
        ? new Damaged(
            before.path,
            before.start + before.bytes,
            `it ends at position ${expected}, and ${path} begins at ${segment.base}`,
          )
        : new Damaged(path, 16, 'the segments before it are missing')
    }
    return segments
  } catch (error) {
    for (const segment of segments) await segment.file.close()
    throw error
  }
}

/** The segment that is written to has a chain: behind a log without one it begins here. */
const beginChained = async (files: Files, folder: string, segments: Segment[]): Promise<void> => {
  const last = segments.at(-1)
  if (last && last.version === formatVersion) return
  if (last?.bytes === 0) {
    segments.pop()
    await last.file.close()
  }
  segments.push(await createSegment(files, folder, last?.end ?? 0, chainStart))
}

const recover = async (segments: readonly Segment[], noted: SyncedEnd | undefined): Promise<{ cut: number; chain: Buffer }> => {
  const last = segments.at(-1)
  if (!last) return { cut: 0, chain: chainStart }
  if (noted?.closed && noted.synced === last.end)
    return { cut: 0, chain: last.bytes === 0 || !noted.chain || last.version === 1 ? last.chain : noted.chain }
  if (last.runs) {
    // It was replaced when another was written to already.
    throw new Damaged(
      last.path,
      last.start + last.bytes,
      `the log ends here, at position ${last.end}, and what follows is missing`,
    )
  }
  const { bytes: whole, chain } = await endOfGroups(last, noted?.synced ?? 0)
  const cut = last.bytes - whole
  if (cut > 0) {
    await last.file.truncate(last.start + whole)
    await last.file.sync()
    last.bytes = whole
    last.end = last.base + whole
  }
  return { cut, chain: last.version === 1 ? chainStart : chain }
}
