import { Gauge, type Registry } from 'prom-client'
import type { BridgeService } from './service.js'

const states = ['standby', 'starting', 'running', 'failing', 'stopped'] as const

/** What the bridges of this process say of themselves, read when the registry is. */
export const bridgeMetrics = (registry: Registry, { status }: Pick<BridgeService, 'status'>): void => {
  const gauge = <Label extends string>(name: string, help: string, more: readonly Label[] = [], collect?: () => void) =>
    new Gauge({
      name: `tillroll_bridge_${name}`,
      help,
      labelNames: ['topic', 'sink', ...more] as const,
      registers: [registry],
      ...(collect && { collect }),
    })
  // The first that is read sets all.
  const state = gauge('state', '1 for the state that it is in', ['state'], () => {
    for (const one of [state, lag, position, records, batches, errors]) one.reset()
    for (const one of status()) {
      const labels = { topic: one.topic, sink: one.sink }
      for (const name of states) state.set({ ...labels, state: name }, name === one.state ? 1 : 0)
      if (one.lagMs !== undefined) lag.set(labels, one.lagMs / 1_000)
      if (one.position !== undefined) position.set(labels, Number(one.position.commit))
      records.set(labels, one.records)
      batches.set(labels, one.batches)
      errors.set(labels, one.errors)
    }
  })
  const lag = gauge('lag_seconds', 'Time since the topic had every event that was there')
  const position = gauge('position', 'Commit position up to which everything is published')
  const records = gauge('records', 'Records written by this process')
  const batches = gauge('batches', 'Transactions written by this process')
  const errors = gauge('errors', 'Errors after which this process began again from the progress')
}
