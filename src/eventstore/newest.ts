import { PositionLost, positionOf, type RecordedEvent, type Store, StoreUnavailable } from './store.js'

/**
 * Remembers the newest event that is known of a store, to notice that the store was put back to an older state: it then accepts a
 * subscription beyond its end, and brings what it writes in the place of what was lost as if nothing had happened.
 */
export const createNewest = (store: Pick<Store, 'eventAt'>, goneFor: number) => {
  let newest: RecordedEvent | undefined
  let goneSince: number | undefined
  return {
    is: (event: RecordedEvent | undefined): void => {
      newest = event
    },
    /**
     * Throws `PositionLost` where it has not stood in its place for `goneFor` milliseconds, and `StoreUnavailable` until then: a leader that
     * has just been elected may need a moment to know all that it has.
     */
    assertThere: async (): Promise<void> => {
      const at = positionOf(newest)
      if (!newest || !at || (await store.eventAt(at))?.id === newest.id) {
        goneSince = undefined
        return
      }
      goneSince ??= performance.now()
      if (performance.now() - goneSince > goneFor) throw new PositionLost(at)
      throw new StoreUnavailable(`the event store has no event ${newest.id} at position ${at.commit}, which it had`)
    },
  }
}
