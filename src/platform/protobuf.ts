/** Protobuf's variable-length integers, for whole numbers from 0 to 2^53−1. */

export const varintSize = (n: number): number => {
  let size = 1
  for (let rest = n; rest >= 128; rest = Math.floor(rest / 128)) size++
  return size
}

/** Writes at `at` and answers the offset after it. */
export const writeVarint = (target: Uint8Array, at: number, n: number): number => {
  let rest = n
  let offset = at
  // Bit operations see 32 bits only: the upper ones go by division.
  while (rest >= 0x80000000) {
    target[offset++] = (rest % 128) | 128
    rest = Math.floor(rest / 128)
  }
  while (rest >= 128) {
    target[offset++] = (rest & 127) | 128
    rest >>>= 7
  }
  target[offset++] = rest
  return offset
}

export const readVarint = (source: Uint8Array, at: number): number => {
  let offset = at
  let byte = source[offset++]!
  let value = byte & 127
  let factor = 128
  while (byte >= 128) {
    byte = source[offset++]!
    value += (byte & 127) * factor
    factor *= 128
  }
  return value
}

/** The offset after the integer that begins at `at`. */
export const skipVarint = (source: Uint8Array, at: number): number => {
  let offset = at
  while (source[offset]! >= 128) offset++
  return offset + 1
}

/** Bytes of a field of wire type 2 that has a number below 16, with so many bytes in it. */
export const fieldSize = (length: number): number => 1 + varintSize(length) + length

/** A field of protobuf's wire type 2, its length in front. */
export const lengthDelimited = (field: number, content: Uint8Array): Buffer => {
  const tag = field * 8 + 2
  const out = Buffer.allocUnsafe(varintSize(tag) + varintSize(content.length) + content.length)
  const at = writeVarint(out, writeVarint(out, 0, tag), content.length)
  out.set(content, at)
  return out
}

export const varintField = (field: number, n: number): Buffer => {
  const tag = field * 8
  const out = Buffer.allocUnsafe(varintSize(tag) + varintSize(n))
  writeVarint(out, writeVarint(out, 0, tag), n)
  return out
}

const varint = 0
const fixed64 = 1
const delimited = 2

/** Calls `take` for each field of a message: its number, and where its content begins and ends. Throws `RangeError`. */
export const eachField = (
  bytes: Uint8Array,
  from: number,
  to: number,
  take: (field: number, at: number, end: number) => void,
): void => {
  let at = from
  while (at < to) {
    const tag = readVarint(bytes, at)
    at = skipVarint(bytes, at)
    const wire = tag & 7
    let begin = at
    let end: number
    if (wire === varint) end = skipVarint(bytes, at)
    else if (wire === delimited) {
      begin = skipVarint(bytes, at)
      end = begin + readVarint(bytes, at)
    } else end = at + (wire === fixed64 ? 8 : 4)
    if (end > to) throw new RangeError('a field reaches beyond its message')
    take(tag >>> 3, begin, end)
    at = end
  }
}
