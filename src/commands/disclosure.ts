import { disclosure } from '../domain/disclosure.js'
import type { UserId } from '../domain/ids.js'
import type { CommandContext } from './engine/context.js'
import type { Streams } from './engine/streams.js'

export type DisclosureCommands = {
  /** Puts on record that a user asked for personal data. Nothing may be shown before it is stored. */
  readonly disclose: (context: CommandContext, input: { userId: UserId; asked: string }) => Promise<void>
}

export const createDisclosureCommands = ({ streams }: { readonly streams: Streams }): DisclosureCommands => ({
  disclose: async (context, input) => {
    await streams.execute(disclosure, input.userId, { type: 'Disclose', ...input }, context)
  },
})
