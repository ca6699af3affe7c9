/**
 * What to do with an append, by EventStoreDB's rules of expected revisions and idempotency. Pure: `view` is how the stream stands,
 * the appends before this one in the same group included.
 */
export type StreamView = {
  /** The last revision; −1 if the stream never had an event. */
  readonly last: number
  readonly tombstoned: boolean
  /** Deleted, not tombstoned: reads say that it is not found, and an append goes on after `last`. */
  readonly deleted: boolean
  readonly hasMetadata: () => boolean
  /** The latest revision at which the event with this id stands in the stream. */
  readonly revisionOf: (id: string) => number | undefined
  readonly idAt: (revision: number) => string | undefined
}

/** A revision, or one of these. */
export const expected = { none: -1, any: -2, exists: -4 } as const

export type Decision =
  | { readonly kind: 'write'; readonly first: number }
  /** It was written before. */
  | { readonly kind: 'known'; readonly last: number }
  | { readonly kind: 'wrong'; readonly current: number }
  | { readonly kind: 'deleted' }

/** `ids` are those of the events, in their order; the rules are EventStoreDB's, as its clients' suites expect them. */
export const decideAppend = (view: StreamView, expectation: number, ids: readonly string[]): Decision => {
  if (view.tombstoned) return { kind: 'deleted' }
  const wrong: Decision = { kind: 'wrong', current: view.last }
  const write: Decision = { kind: 'write', first: view.last + 1 }
  if (expectation === expected.exists) {
    if (view.deleted) return { kind: 'deleted' }
    if (view.last < 0 && !view.hasMetadata()) return wrong
  }
  if (expectation === expected.any || expectation === expected.exists) return byIds(view, ids, wrong, write)
  if (expectation > view.last) return wrong
  if (expectation === view.last) return write
  return byRevisions(view, expectation, ids, wrong, write)
}

const byIds = (view: StreamView, ids: readonly string[], wrong: Decision, write: Decision): Decision => {
  let last: number | undefined
  for (const [index, id] of ids.entries()) {
    const revision = view.revisionOf(id)
    if (revision === undefined) return index === 0 ? write : wrong
    last = revision
  }
  return last === undefined ? write : { kind: 'known', last }
}

const byRevisions = (
  view: StreamView,
  expectation: number,
  ids: readonly string[],
  wrong: Decision,
  write: Decision,
): Decision => {
  const reborn = expectation === expected.none && view.deleted
  if (ids.length === 0) return reborn ? write : wrong
  for (const [index, id] of ids.entries()) {
    const revision = expectation + 1 + index
    if (revision <= view.last && view.idAt(revision) === id) continue
    return index === 0 && reborn ? write : wrong
  }
  return { kind: 'known', last: expectation + ids.length }
}
