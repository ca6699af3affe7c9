import { payloadAt, recordSize } from '../storage/log/record.js'

/** What one run of a scavenge removed from one segment. It stands in the log itself, in its chain, from before anything is removed. */
export type Receipt = {
  readonly run: number
  /** ISO 8601. */
  readonly at: string
  /** The position where the segment begins. */
  readonly base: number
  readonly removed: number
  /** SHA-256, in hex, of the records that the run left in the segment, in their order. */
  readonly digest: string
}

/** The payload of a receipt's record. */
export const encodeReceipt = (receipt: Receipt): Buffer => Buffer.from(JSON.stringify(receipt), 'utf8')

/** The receipt in the record that begins at an offset. */
export const decodeReceipt = (bytes: Buffer, at: number): Receipt =>
  JSON.parse(bytes.toString('utf8', at + payloadAt, at + recordSize(bytes, at) - 4)) as Receipt
