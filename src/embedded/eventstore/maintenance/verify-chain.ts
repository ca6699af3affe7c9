import { createHash, type Hash } from 'node:crypto'
import { chainStart, hashOf, linkOf } from '../storage/log/chain.js'
import { decodeRemoved, groupSize, linkAt, payloadAt } from '../storage/log/record.js'
import type { ScannedRecord } from '../storage/log/scan.js'
import type { Segment } from '../storage/log/segment.js'
import { decodeReceipt, type Receipt } from './receipt.js'

/** The chain at the end of a group. */
export type ChainHead = {
  /** The position after the group. */
  readonly position: number
  /** Hex. */
  readonly chain: string
}

export type ChainReport = {
  /** The position where the chain begins; absent where the log has none yet. */
  readonly from?: number
  readonly groups: number
  /** Records that scavenges have removed, each covered by a receipt. */
  readonly removed: number
  readonly receipts: readonly Receipt[]
}

type Group = { readonly position: number; readonly length: number; readonly link: Buffer; readonly hashes: Buffer[] }
type RemovedByRun = { readonly path: string; count: number; readonly digest: Hash }

/** Follows the chain through all segments in their order. `problem` is told what breaks it; `sealed`, a head that must stand in it. */
export const followChain = (problem: (text: string) => void, sealed?: ChainHead) => {
  let chain: Buffer | undefined
  let from: number | undefined
  let groups = 0
  let removed = 0
  let sealSeen = sealed === undefined
  let group: Group | undefined
  let run: RemovedByRun | undefined
  let lost = false
  const removals = new Map<string, RemovedByRun>()
  const receipts: Receipt[] = []

  const finish = ({ path }: Segment): void => {
    if (!group) return
    const { position, length, link, hashes } = group
    if (!linkOf(chain!, position, length, hashes).equals(link))
      problem(
        `${path}: the chain breaks at the group of position ${position}: it, or one before it, was changed, removed or put in`,
      )
    chain = link
    groups++
    group = undefined
    if (sealed?.position !== position + groupSize + length) return
    sealSeen = true
    if (sealed.chain !== link.toString('hex'))
      problem(`${path}: at position ${sealed.position} the log is not the one that was sealed`)
  }

  const begin = (segment: Segment): void => {
    if (segment.version === 1) {
      if (chain) problem(`${segment.path} has no chain, and stands behind what has one`)
      return
    }
    run = undefined
    group = undefined
    const expected = chain ?? (from === undefined ? chainStart : undefined)
    from ??= segment.base
    if (expected && !expected.equals(segment.chain))
      problem(`${segment.path} does not continue the chain of the segment before it`)
    chain = segment.chain
  }

  const take = (segment: Segment, { kind, bytes, at, position, size }: ScannedRecord): void => {
    if (segment.version === 1) return
    const record = bytes.subarray(at, at + size)
    if (kind === 'group') {
      finish(segment)
      group = { position, length: bytes.readUInt32LE(at + payloadAt), link: Buffer.from(linkAt(bytes, at)), hashes: [] }
      return
    }
    if (!group || position >= group.position + groupSize + group.length)
      problem(`${segment.path}: the record of position ${position} belongs to no group`)
    if (kind === 'head') {
      run?.digest.update(record)
    } else if (kind === 'removed') {
      const { run: number, hash } = decodeRemoved(bytes, at)
      const key = `${number} ${segment.base}`
      run = removals.get(key) ?? { path: segment.path, count: 0, digest: createHash('sha256') }
      removals.set(key, run)
      run.count++
      run.digest.update(record)
      removed++
      group?.hashes.push(Buffer.from(hash))
    } else {
      if (kind === 'receipt') receipts.push(decodeReceipt(bytes, at))
      group?.hashes.push(hashOf(record))
    }
  }

  /** A segment could not be read to its end, which is a problem of its own: what follows from it is none. */
  const lose = (): void => {
    chain = undefined
    lost = true
  }

  const end = (): ChainReport => {
    const covered = new Map(receipts.map((receipt) => [`${receipt.run} ${receipt.base}`, receipt]))
    for (const [key, { path, count, digest }] of removals) {
      const receipt = covered.get(key)
      if (lost) continue
      if (receipt?.removed !== count || receipt.digest !== digest.digest('hex'))
        problem(`${path}: ${count} records were removed, and no receipt covers that`)
    }
    if (!sealSeen && !lost) problem(`position ${sealed!.position} is sealed, and no group of this log ends there`)
    return { ...(from !== undefined && { from }), groups, removed, receipts }
  }

  return { begin, take, finish, lose, end }
}
