import type { DomainEvent } from './decider.js'

/** What a field of an event is to somebody who reads the history: its kind, its meaning, and whether it tells who somebody is. */
export type Field = {
  readonly kind: 'id' | 'text' | 'integer' | 'cents' | 'list'
  readonly means: string
  /** Left out wherever personal data was not asked for. */
  readonly personal?: true
  /** The fields of each element of a list. */
  readonly of?: { readonly [field: string]: Field }
}

export type EventDescription = {
  readonly category: string
  readonly means: string
  /** No log, export, topic or query may show it, whoever asks. */
  readonly secret?: true
  /** Without `at`, which every event has. */
  readonly fields: { readonly [field: string]: Field }
}

const field =
  (kind: Exclude<Field['kind'], 'list'>) =>
  (means: string): Field => ({ kind, means })
export const id = field('id')
export const text = field('text')
export const integer = field('integer')
export const cents = field('cents')
export const list = (means: string, of: Field['of'] & object): Field => ({ kind: 'list', means, of })
export const personal = (described: Field): Field => ({ ...described, personal: true })

/** A description for every type and for every field of it: a new event doesn't compile until it has one. */
export type Descriptions<Event extends DomainEvent> = {
  readonly [Type in Event['type']]: {
    readonly means: string
    readonly secret?: true
    readonly fields: { readonly [F in Exclude<keyof Extract<Event, { type: Type }>['data'], 'at'>]-?: Field }
  }
}

/** Fields that several nouns have. */
export const productId = id('the product')
export const orderId = id('the order')
export const userId = id('the user')
export const loginId = text('stands for an e-mail address, which cannot be told from it')
export const claimRevision = integer("the revision, in the log-in's stream, of the claim on the e-mail address")
