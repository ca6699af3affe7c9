/** What the broker said, where it said something: the type of the protocol's error, somewhere in the chain of causes. */
export const protocolError = (error: unknown): string | undefined => {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('type' in cause && typeof cause.type === 'string') {
      // kafkajs doesn't know this one of Kafka 2.7.
      return /error code 90$/.test(cause.message) ? 'PRODUCER_FENCED' : cause.type
    }
  }
  return undefined
}

const fencing = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTIONAL_ID_NOT_FOUND',
])
const tooLarge = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
const leaderless = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'REPLICA_NOT_AVAILABLE',
])

export const isFenced = (error: unknown): boolean => fencing.has(protocolError(error) ?? '')
export const isTooLarge = (error: unknown): boolean => tooLarge.has(protocolError(error) ?? '')
export const isConcurrent = (error: unknown): boolean => protocolError(error) === 'CONCURRENT_TRANSACTIONS'
/** Of a topic that is there, or was there a moment ago: nobody leads it yet, or another one does. */
export const isLeaderless = (error: unknown): boolean => leaderless.has(protocolError(error) ?? '')
