import type { Commands } from '../../commands/index.js'
import { Refusal } from './errors.js'
import type { Call } from './route.js'

type Asker = Pick<Call<unknown, unknown, readonly ['staff', 'analyst']>, 'caller' | 'context'>

/**
 * Whether an answer shows personal data: to staff who ask for it, and once the record of that is stored (`disclosure-<user>`). `what`: what
 * is asked for; nothing in it may be personal itself. Throws `Refusal` 403 for anybody else.
 */
export const createDisclosure =
  ({ disclosures }: Pick<Commands, 'disclosures'>) =>
  async ({ caller: { userId, role }, context }: Asker, isAsked: boolean | undefined, what: string): Promise<boolean> => {
    if (!isAsked) return false
    if (role !== 'staff') throw new Refusal(403, 'only staff may see personal data: leave personal out')
    await disclosures.disclose(context, { userId, asked: what })
    return true
  }
