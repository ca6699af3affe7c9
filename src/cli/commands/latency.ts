import { randomUUID } from 'node:crypto'
import { removeStream } from '../../eventstore/client.js'
import { type MeasuredLatency, measureLatency } from '../../eventstore/latency.js'
import type { Instance } from '../instance.js'
import { table } from '../table.js'

type Flags = { readonly calls: number; readonly json?: true }

/** Measures on a stream of its own, which is removed whatever happens. */
export const latency = async ({ store, signal }: Instance, { calls, json }: Flags): Promise<void> => {
  const stream = `latency-${randomUUID()}`
  try {
    print(await measureLatency(store, stream, calls, signal), json)
  } finally {
    await removeStream(store.url!, stream)
  }
}

const print = ({ read, append }: MeasuredLatency, json: true | undefined): void => {
  const row = (name: string, { calls, median, p99 }: MeasuredLatency['read']) => [name, calls, round(median), round(p99)]
  const rows = [row('read', read), row('append', append)]
  console.log(json ? JSON.stringify({ read, append }) : table(['call', 'calls', 'median ms', 'p99 ms'], rows))
}

const round = (milliseconds: number): number => Math.round(milliseconds * 100) / 100
