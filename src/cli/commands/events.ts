import { once } from 'node:events'
import { personalFields } from '../../domain/catalogue.js'
import { secretTypes } from '../../domain/user.js'
import { positionOf, type RecordedEvent, StoreUnavailable } from '../../eventstore/store.js'
import { backoff } from '../../platform/async.js'
import type { Instance } from '../instance.js'

type Options = {
  readonly all?: true
  readonly follow: boolean
  readonly stream?: string
  readonly withPersonalData?: true
}

export const tail = async ({ store, signal }: Instance, options: Options): Promise<void> => {
  const { all, follow, stream = '', withPersonalData: personal = false } = options
  // A reader that has seen enough (`| head`) closes the pipe.
  process.stdout.once('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  let last = all ? undefined : positionOf(await store.last())
  const print = async (events: AsyncIterable<RecordedEvent>): Promise<void> => {
    for await (const event of events) {
      if (signal.aborted) return
      last = positionOf(event)
      if (!event.streamId.startsWith(stream) || secretTypes.has(event.type)) continue
      if (!process.stdout.write(`${JSON.stringify(printed(event, personal))}\n`)) await once(process.stdout, 'drain')
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

const printed = ({ position, preparePosition, data, ...event }: RecordedEvent, personal: boolean) => ({
  position: `${position}`,
  ...event,
  data: personal ? data : masked(event.type, data),
})

const masked = (type: string, data: unknown): unknown => {
  const hidden = personalFields(type)
  if (hidden.length === 0 || typeof data !== 'object' || data === null) return data
  return Object.fromEntries(Object.entries(data).filter(([name]) => !hidden.includes(name)))
}
