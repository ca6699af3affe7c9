import { once } from 'node:events'
import { secretTypes } from '../../domain/user.js'
import { positionOf, type RecordedEvent, StoreUnavailable } from '../../eventstore/store.js'
import { backoff } from '../../platform/async.js'
import type { Instance } from '../instance.js'

type Options = { readonly all?: true; readonly follow: boolean; readonly stream?: string }

export const tail = async ({ store, signal }: Instance, { all, follow, stream = '' }: Options): Promise<void> => {
  // A reader that has seen enough (`| head`) closes the pipe.
  process.stdout.once('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  let last = all ? undefined : positionOf(await store.last())
  const print = async (events: AsyncIterable<RecordedEvent>): Promise<void> => {
    for await (const event of events) {
      if (signal.aborted) return
      last = positionOf(event)
      if (!event.streamId.startsWith(stream) || secretTypes.has(event.type)) continue
      if (!process.stdout.write(`${JSON.stringify(printed(event))}\n`)) await once(process.stdout, 'drain')
    }
  }
  if (!follow) return print(store.readAll(last))
  const pause = backoff(signal)
  while (!signal.aborted) {
    try {
      await print(store.subscribe(last, { signal, onConfirmed: pause.reset }))
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      process.stderr.write(`${error.message}; trying again\n`)
      await pause()
    }
  }
}

const printed = ({ position, preparePosition, ...event }: RecordedEvent) => ({ position: `${position}`, ...event })
