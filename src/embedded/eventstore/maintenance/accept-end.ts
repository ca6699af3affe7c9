import { join } from 'node:path'
import { diskFiles, type Files } from '../storage/files.js'
import { linkAt } from '../storage/log/record.js'
import { endOfGroups } from '../storage/log/recover.js'
import { eachRecord } from '../storage/log/scan.js'
import { isSegmentName, openSegment, type Segment } from '../storage/log/segment.js'
import { isSyncedEndName, openSyncedEnd } from '../storage/log/synced-end.js'
import { verifyFolder } from './verify.js'

/**
 * For a store whose two notes of its end are gone: takes the log as it ends now for all there was, and notes that. Answers the
 * position. Throws where the end is known, or where anything else is wrong with the store, having changed nothing.
 */
export const acceptEnd = async (folder: string, files: Files = diskFiles): Promise<number> => {
  const names = await files.list(folder)
  const last = names.filter(isSegmentName).sort().at(-1)
  if (last === undefined) throw new Error(`${folder} holds no log`)
  if (names.some(isSyncedEndName)) throw new Error(`where the log of ${folder} ends is known: there is nothing to accept`)
  const { problems } = await verifyFolder(folder, { endMayBeUnknown: true, files })
  if (problems.length > 0) throw new Error(`the end can't be accepted, for more is wrong: ${problems.join('; ')}`)
  const segment = await openSegment(files, join(folder, last), 'read')
  try {
    const end = segment.runs ? segment.end : segment.base + (await endOfGroups(segment, 0)).bytes
    const chain = await chainAfter(segment)
    // Of an index that nobody has, so that one is made from the log.
    await (await openSyncedEnd(files, folder, end)).close({
      synced: end,
      closed: end === segment.end,
      indexSize: 0,
      indexSum: 0,
      chain,
    })
    return end
  } finally {
    await segment.file.close()
  }
}

const chainAfter = async (segment: Segment): Promise<Buffer> => {
  let { chain } = segment
  const alone = { reading: <T>(_: Segment, use: () => Promise<T>): Promise<T> => use() }
  for await (const { kind, bytes, at } of eachRecord(alone, segment))
    if (kind === 'group' && segment.version > 1) chain = Buffer.from(linkAt(bytes, at))
  return chain
}
