import { type Store, StoreUnavailable } from './store.js'

/** A store whose disk is known to be full, or not, from what became of the last append that was made here. */
export type NoticingFull = { readonly store: Store; readonly isFull: () => boolean }

export const noticingFull = (store: Store): NoticingFull => {
  let full = false
  const append: Store['append'] = async (...asked) => {
    try {
      const written = await store.append(...asked)
      full = false
      return written
    } catch (error) {
      // An answer that is no refusal for want of space says nothing of the disk.
      if (error instanceof StoreUnavailable && error.full) full = true
      throw error
    }
  }
  return { store: { ...store, append }, isFull: () => full }
}
