import { idOf, openEvent, streamOf, tombstoneRevision, typeOf } from '../../../src/embedded/eventstore/storage/event.js'
import type { Store } from '../../../src/embedded/eventstore/storage/store.js'

/** What a writer knows: what it asked for, and what it was told. */
export type Asked = {
  readonly stream: string
  readonly ids: readonly string[]
  /** Set once it was acknowledged: where the first of the ids stands. */
  first?: number
  position?: number
}

export type Found = {
  readonly stream: string
  readonly id: string
  readonly type: string
  readonly revision: number
  readonly position: number
}

export const findAll = async (store: Store): Promise<Found[]> => {
  const found: Found[] = []
  let from = 0
  for (let chunk = await store.log.forward(from); chunk; chunk = await store.log.forward(from)) {
    for (const [index, offset] of chunk.offsets.entries()) {
      const event = openEvent(chunk.buffer, offset)
      found.push({
        stream: streamOf(event),
        id: idOf(event),
        type: typeOf(event),
        revision: event.revision,
        position: chunk.positions[index]!,
      })
    }
    from = chunk.next
  }
  return found
}

/** A stream that is deleted now and then, and scavenged: its events may be gone, its revisions go on. */
export const isDeletable = (stream: string): boolean => /^(\$\$)?d-/.test(stream)

/** What a store that was opened again must not have done. Answers what it has. */
export const complaints = (found: readonly Found[], asked: readonly Asked[], store?: Store): string[] => {
  const wrong: string[] = []
  const byId = new Map<string, Found>()
  const last = new Map<string, number>()
  const given = new Map<string, number>()
  let position = -1
  for (const event of found) {
    if (byId.has(event.id)) wrong.push(`${event.id} is there twice`)
    byId.set(event.id, event)
    if (event.position <= position) wrong.push(`position ${event.position} follows ${position}`)
    position = event.position
    if (event.revision === tombstoneRevision) continue
    const before = last.get(event.stream) ?? -1
    const expected = before + 1
    if (isDeletable(event.stream) ? event.revision < expected : event.revision !== expected)
      wrong.push(`${event.stream}: revision ${event.revision} stands where ${expected} should`)
    last.set(event.stream, event.revision)
    if (!store) continue
    const stream = store.stream(event.stream)
    if (!stream.tombstoned && store.index.revisionOf(stream.id, event.id) !== event.revision)
      wrong.push(`the index lost ${event.id}`)
    if (store.index.place(stream.id, event.revision)?.position !== event.position) wrong.push(`the index misplaces ${event.id}`)
  }
  for (const { stream, ids, first, position: answered } of asked) {
    const there = ids.filter((id) => byId.has(id))
    if (isDeletable(stream)) {
      if (first !== undefined && first <= (given.get(stream) ?? -1)) wrong.push(`${stream}: revision ${first} was given twice`)
      if (first !== undefined) given.set(stream, first + ids.length - 1)
      continue
    }
    if (there.length !== 0 && there.length !== ids.length)
      wrong.push(`${stream}: ${there.length} of ${ids.length} events of one append`)
    if (first === undefined) continue
    for (const [index, id] of ids.entries()) {
      const event = byId.get(id)
      if (!event) wrong.push(`${stream}: an acknowledged event is missing, revision ${first + index}`)
      else if (event.revision !== first + index || event.stream !== stream)
        wrong.push(`${stream}: ${id} moved to ${event.revision}`)
      else if (index === ids.length - 1 && answered !== undefined && event.position !== answered)
        wrong.push(`${id} moved to ${event.position}`)
    }
  }
  return wrong
}
