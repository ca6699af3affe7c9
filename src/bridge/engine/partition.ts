/**
 * The partition of a key: what Java's clients (and librdkafka's `murmur2_random`, and kafkajs) choose, so that any producer agrees.
 * The hash is Austin Appleby's MurmurHash2 with Kafka's seed.
 */
export const partitionOf = (key: string, partitions: number): number => (murmur2(Buffer.from(key)) & 0x7fffffff) % partitions

const seed = 0x9747b28c
const mixer = 0x5bd1e995

/** A signed integer of 32 bits. */
export const murmur2 = (bytes: Buffer): number => {
  const whole = bytes.length & ~3
  let hash = seed ^ bytes.length
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(bytes.readInt32LE(at), mixer)
    word ^= word >>> 24
    hash = Math.imul(hash, mixer) ^ Math.imul(word, mixer)
  }
  if (whole < bytes.length) {
    for (let at = whole; at < bytes.length; at++) hash ^= bytes[at]! << (8 * (at - whole))
    hash = Math.imul(hash, mixer)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, mixer)
  return hash ^ (hash >>> 15)
}
