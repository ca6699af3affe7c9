import { parseId } from '../../../domain/ids.js'
import { UnknownName } from '../../../history/engine/names.js'
import { type Caused, requestsOf, type Trace, trace } from '../../../history/trace.js'
import type { Instance } from '../../instance.js'
import { eventWords } from './show.js'
import { historyOf } from './source.js'
import { jsonText } from './words.js'

/** What a request wrote before the order's first event can't be much older than that: a command has its deadline. */
const before = 60_000

/** By a request's correlation id, or an order's id. Throws `UnknownName` where nothing has it. */
export const traceOf = async (instance: Instance, word: string, { json = false }: { readonly json?: boolean }): Promise<void> => {
  const { store, signal } = instance
  const id = parseId(/^\d{1,16}$/.test(word) ? Number(word) : word.replace(/^order-/, ''))
  const order = id === undefined ? undefined : await requestsOf(store, `order-${id}`)
  const began = order?.began
  const traces = await trace(historyOf(instance), began === undefined ? new Set([word]) : order!.correlations, {
    signal,
    ...(began !== undefined && { from: new Date(Date.parse(began) - before).toISOString() }),
  })
  if (traces.length === 0) {
    throw new UnknownName(
      `nothing came of ${JSON.stringify(word)}: give the id of an order, or the X-Correlation-Id that a request was answered with`,
    )
  }
  for (const one of traces) process.stdout.write(json ? `${jsonText(one)}\n` : treeOf(one))
}

export const treeOf = ({ correlation, actor, at, streams }: Trace): string => {
  const branches = streams.map(({ stream, events }): Branch => ({ text: stream, below: events.map(branchOf) }))
  return `request ${correlation} by ${actor ?? 'unknown'} at ${at}\n${linesOf(branches).join('')}`
}

type Branch = { readonly text: string; readonly below: readonly Branch[] }

const branchOf = ({ event, caused }: Caused): Branch => ({
  text: `${event.revision}  ${eventWords(event)}`,
  below: caused.map(({ event: one, caused: more }) => {
    const { text, below } = branchOf({ event: one, caused: more })
    return { text: `${one.stream} ${text}`, below }
  }),
})

const linesOf = (branches: readonly Branch[], indent = ''): readonly string[] =>
  branches.flatMap(({ text, below }, i) => {
    const isLast = i === branches.length - 1
    return [`${indent}${isLast ? '└─ ' : '├─ '}${text}\n`, ...linesOf(below, `${indent}${isLast ? '   ' : '│  '}`)]
  })
