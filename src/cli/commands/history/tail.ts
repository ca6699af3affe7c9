import { once } from 'node:events'
import { positionOf } from '../../../eventstore/store.js'
import type { HistoryEvent } from '../../../history/engine/event.js'
import type { HistoryFilter } from '../../../history/engine/filter.js'
import { historyLine } from '../../../history/engine/lines.js'
import { followHistory } from '../../../history/follow.js'
import { pageBefore } from '../../../history/page.js'
import type { Instance } from '../../instance.js'
import { eventWords } from './show.js'
import { historyOf } from './source.js'

type Flags = Omit<HistoryFilter, 'types'> & {
  readonly type?: readonly string[]
  readonly follow?: true
  readonly lines: number
  readonly json?: true
}

/** The last events of the filter, and with `follow` those that come, until it is interrupted. */
export const tail = async (instance: Instance, flags: Flags): Promise<void> => {
  const { type: types, follow = false, lines, json = false, ...rest } = flags
  const { store, signal } = instance
  const filter: HistoryFilter = { ...rest, types }
  const source = historyOf(instance)
  // A reader that has seen enough (`| head`) closes the pipe.
  process.stdout.once('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  const print = async (events: readonly HistoryEvent[]): Promise<void> => {
    const text = events.map((event) => (json ? historyLine(event) : `${event.stream}  ${eventWords(event)}\n`)).join('')
    if (!process.stdout.write(text)) await once(process.stdout, 'drain')
  }
  const end = positionOf(await store.last())
  const { events } = await pageBefore(source, filter, end && end.commit + 1n, {
    limit: lines,
    signal,
    budget: Number.POSITIVE_INFINITY,
  })
  await print(events)
  if (!follow) return
  const following = followHistory(source, filter, {
    after: end,
    signal,
    head: async () => (await store.last())?.position,
    onUnavailable: ({ message }) => void process.stderr.write(`${message}; trying again\n`),
  })
  for await (const some of following) await print(some)
}
