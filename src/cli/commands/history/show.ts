import type { HistoryEvent } from '../../../history/engine/event.js'
import { streamNamed } from '../../../history/engine/filter.js'
import { historyLine } from '../../../history/engine/lines.js'
import { showStream } from '../../../history/show.js'
import type { Instance } from '../../instance.js'
import { jsonText, shortValue } from './words.js'

type Flags = { readonly json?: true; readonly state?: true; readonly withPersonalData?: true }

/** For people: one event, in one line. */
export const eventWords = ({ at, type, actor, data }: HistoryEvent): string => {
  const { at: _, ...rest } = data
  return `${at}  ${type}  by ${actor ?? 'unknown'}  ${shortValue(rest)}`
}

/** Throws `UnknownName` where there is no such stream. */
export const show = async ({ store }: Instance, word: string, flags: Flags): Promise<void> => {
  const { json = false, state = false, withPersonalData: personal = false } = flags
  for (const { event, changes } of await showStream(store, streamNamed(word), { personal })) {
    if (json) {
      const line = historyLine(event).trimEnd()
      process.stdout.write(state ? `${line.slice(0, -1)},"changes":${jsonText(changes)}}\n` : `${line}\n`)
      continue
    }
    process.stdout.write(`${event.revision}  ${eventWords(event)}\n`)
    if (!state) continue
    for (const { column, before, after } of changes)
      process.stdout.write(`    ${column}: ${shortValue(before)} -> ${shortValue(after)}\n`)
  }
}
