import type { Decider } from './decider.js'
import { type Descriptions, text, userId } from './description.js'
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

/** What each event means, and its fields, to somebody who reads the history. */
export const disclosureDescriptions: Descriptions<DisclosureEvent> = {
  PersonalDataDisclosed: {
    means: "a member of staff is shown other people's names and e-mail addresses",
    fields: { userId, asked: text('what was asked: the route, and of which events or views') },
  },
}

export const disclosure: Decider<Disclosures, DisclosureCommand, DisclosureEvent> = {
  category: 'disclosure',
  initial: {},
  decide,
  evolve: (disclosures) => disclosures,
  says: { PersonalDataDisclosed: 'accepted' },
}
