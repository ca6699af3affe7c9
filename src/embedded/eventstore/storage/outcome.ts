import type { Decision } from './expected-revision.js'
import type { Written } from './write-batch.js'

/** What became of an append or a delete. */
export type Outcome =
  | Written
  | Exclude<Decision, { kind: 'write' | 'known' }>
  | { readonly kind: 'timeout' }
  | { readonly kind: 'unavailable' }
  /** There is no space on the disk: nothing of it was written. */
  | { readonly kind: 'full' }
  /** What it depends on can't be read. */
  | { readonly kind: 'failed'; readonly message: string }

/** Called once, after the sync. */
export type Settle = (outcome: Outcome) => void
