import { once } from 'node:events'
import { Command } from 'commander'
import { secretTypes } from '../domain/user.js'
import { positionOf, type RecordedEvent } from '../eventstore/store.js'
import { readConfig } from '../platform/config.js'
import type { Instance, WithInstance } from './instance.js'

type Options = { readonly all?: true; readonly follow: boolean; readonly stream?: string }

export const eventsCommand = (withInstance: WithInstance): Command => {
  const events = new Command('events').description('the history itself')
  events
    .command('tail')
    .description('print events as they happen, one JSON object a line, until it is interrupted')
    .option('--all', 'from the beginning of the history')
    .option('--no-follow', 'end with the last event there is')
    .option('--stream <prefix>', 'only streams whose name begins so, such as order-')
    .action((options: Options) => withInstance(readConfig(), (instance) => tail(instance, options)))
  return events
}

const tail = async ({ store, signal }: Instance, { all, follow, stream = '' }: Options): Promise<void> => {
  // A reader that has seen enough (`| head`) closes the pipe.
  process.stdout.once('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  const after = all ? undefined : positionOf(await store.last())
  const events = follow ? store.subscribe(after, { signal }) : store.readAll(after)
  for await (const event of events) {
    if (signal.aborted) return
    if (!event.streamId.startsWith(stream) || secretTypes.has(event.type)) continue
    const line = `${JSON.stringify(printed(event))}\n`
    if (!process.stdout.write(line)) await once(process.stdout, 'drain')
  }
}

const printed = ({ position, preparePosition, ...event }: RecordedEvent) => ({ position: `${position}`, ...event })
