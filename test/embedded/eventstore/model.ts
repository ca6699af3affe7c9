/** The event store as a list of events: slow, plain, and right. The node must not be told apart from it. */
export type Expectation = 'any' | 'no_stream' | 'stream_exists' | number
export type ModelEvent = {
  readonly stream: string
  readonly id: string | undefined
  readonly type: string
  readonly revision: number
}
export type Answer =
  | { readonly ok: true; readonly last: number }
  | { readonly ok: false; readonly error: 'wrong-expected-version' | 'stream-deleted' }
export type Metadata = { readonly maxCount?: number; readonly truncateBefore?: number; readonly deleted?: true }

export type Model = {
  readonly all: readonly ModelEvent[]
  readonly append: (stream: string, ids: readonly string[], expectation: Expectation) => Answer
  readonly remove: (stream: string, expectation: Expectation, hard: boolean) => Answer
  readonly setMetadata: (stream: string, metadata: Metadata) => Answer
  /** The events that a read of the stream sees; how it fails where it does. */
  readonly read: (stream: string) => readonly ModelEvent[] | 'stream-not-found' | 'stream-deleted'
}

const refuse = (error: 'wrong-expected-version' | 'stream-deleted'): Answer => ({ ok: false, error })

export const createModel = (): Model => {
  const all: ModelEvent[] = []
  const metadata = new Map<string, Metadata>()
  const tombstoned = new Set<string>()

  const eventsOf = (stream: string) => all.filter((one) => one.stream === stream && one.type !== '$streamDeleted')
  const lastOf = (stream: string) => eventsOf(stream).length - 1
  const isDeleted = (stream: string) => metadata.get(stream)?.deleted === true
  const writeMetadata = (stream: string, value: Metadata): void => {
    const name = `$$${stream}`
    all.push({ stream: name, id: undefined, type: '$metadata', revision: lastOf(name) + 1 })
    metadata.set(stream, value)
  }

  const decide = (stream: string, ids: readonly string[], expectation: Expectation): 'write' | Answer => {
    const events = eventsOf(stream)
    const last = events.length - 1
    const wrong = refuse('wrong-expected-version')
    if (tombstoned.has(stream)) return refuse('stream-deleted')
    if (expectation === 'stream_exists') {
      if (isDeleted(stream)) return refuse('stream-deleted')
      if (last < 0 && lastOf(`$$${stream}`) < 0) return wrong
    }
    if (expectation === 'any' || expectation === 'stream_exists') {
      const known = ids.map((id) => events.findLast((one) => one.id === id))
      if (known.length === 0 || !known[0]) return 'write'
      return known.every((one) => one) ? { ok: true, last: known.at(-1)!.revision } : wrong
    }
    const at = expectation === 'no_stream' ? -1 : expectation
    if (at === last) return 'write'
    if (at > last) return wrong
    if (ids.length > 0 && ids.every((id, index) => events[at + 1 + index]?.id === id)) return { ok: true, last: at + ids.length }
    return events[at + 1]?.id !== ids[0] && at === -1 && isDeleted(stream) ? 'write' : wrong
  }

  return {
    all,
    append: (stream, ids, expectation) => {
      const decision = decide(stream, ids, expectation)
      if (decision !== 'write') return decision
      if (ids.length === 0) return { ok: true, last: lastOf(stream) }
      const first = lastOf(stream) + 1
      if (isDeleted(stream)) writeMetadata(stream, { truncateBefore: first })
      for (const [index, id] of ids.entries()) all.push({ stream, id, type: 'Happened', revision: first + index })
      return { ok: true, last: lastOf(stream) }
    },
    remove: (stream, expectation, hard) => {
      const decision = decide(stream, ['new'], expectation)
      if (decision !== 'write') return decision
      if (hard) {
        tombstoned.add(stream)
        all.push({ stream, id: undefined, type: '$streamDeleted', revision: Number.POSITIVE_INFINITY })
      } else if (lastOf(stream) < 0 && lastOf(`$$${stream}`) < 0) return refuse('wrong-expected-version')
      else writeMetadata(stream, { deleted: true })
      return { ok: true, last: lastOf(stream) }
    },
    setMetadata: (stream, value) => {
      if (tombstoned.has(stream)) return refuse('stream-deleted')
      const wasDeleted = isDeleted(stream)
      writeMetadata(stream, value)
      const last = lastOf(`$$${stream}`)
      // The stream lives again, without what it held.
      if (wasDeleted) writeMetadata(stream, { ...value, truncateBefore: lastOf(stream) + 1 })
      return { ok: true, last }
    },
    read: (stream) => {
      if (tombstoned.has(stream)) return 'stream-deleted'
      const events = eventsOf(stream)
      if (events.length === 0 || isDeleted(stream)) return 'stream-not-found'
      const { maxCount = events.length, truncateBefore = 0 } = metadata.get(stream) ?? {}
      return events.slice(Math.max(truncateBefore, events.length - maxCount))
    },
  }
}
