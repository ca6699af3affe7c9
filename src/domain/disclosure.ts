import type { Decider } from './decider.js'
import type { UserId } from './ids.js'

/** A `disclosure-<user>` stream: what this user was shown of other people's personal data. */
export type DisclosureEvent = {
  type: 'PersonalDataDisclosed'
  /** `asked`: which kind of question, and of which events or views; nothing of what it looked for, nor of what was found. */
  data: { userId: UserId; asked: string; at: string }
}

export type DisclosureCommand = { type: 'Disclose'; userId: UserId; asked: string; at: string }

const decide = ({ userId, asked, at }: DisclosureCommand): readonly DisclosureEvent[] => [
  { type: 'PersonalDataDisclosed', data: { userId, asked, at } },
]

/** Nothing is ever decided on what was disclosed before. */
export type Disclosures = Record<string, never>

export const disclosure: Decider<Disclosures, DisclosureCommand, DisclosureEvent> = {
  category: 'disclosure',
  initial: {},
  decide,
  evolve: (disclosures) => disclosures,
  says: { PersonalDataDisclosed: 'accepted' },
}
