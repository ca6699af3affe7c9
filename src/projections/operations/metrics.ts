import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { type ProjectionStatus, projectionStatus, type Status, type StatusOptions } from './status.js'

/** What a runner tells of each batch: events, seconds that its transaction took, and the age of its newest event when it was committed. */
export type BatchMeasures = { readonly events: number; readonly seconds: number; readonly lag: number }

/** Counts what this process folds. The answer is for the runner's `onBatch`. */
export const createBatchMetrics = (registry: Registry): ((batch: BatchMeasures) => void) => {
  const registers = [registry]
  const events = new Counter({ name: 'tillroll_projection_events_total', help: 'Events folded by this process.', registers })
  const buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]
  const seconds = new Histogram({
    name: 'tillroll_projection_batch_seconds',
    help: 'What the transaction of a batch took.',
    buckets,
    registers,
  })
  const lag = new Histogram({
    name: 'tillroll_projection_lag_seconds',
    help: 'Age of the newest event of a batch when its rows were committed, by the clocks of event store and this process.',
    buckets,
    registers,
  })
  return (batch) => {
    events.inc(batch.events)
    seconds.observe(batch.seconds)
    lag.observe(batch.lag)
  }
}

type Values = readonly (readonly [value: number, labels?: Record<string, string>])[]

/** Where the projections of the whole shop stand, looked up when somebody asks. `tillroll_projections_up` is 0 where that failed. */
export const registerStatusMetrics = (registry: Registry, options: Omit<StatusOptions, 'exact'>): void => {
  const look = shared(() => projectionStatus({ ...options, exact: false }))
  const gauge = (name: string, help: string, labelNames: string[], valuesOf: (status: Status | undefined) => Values) =>
    new Gauge({
      name: `tillroll_${name}`,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset()
        for (const [value, labels = {}] of valuesOf(await look())) this.set(labels, value)
      },
    })
  const single = (name: string, help: string, read: (status: Status) => number | undefined) =>
    gauge(name, help, [], (status) => {
      const value = status && read(status)
      return value === undefined ? [] : [[value]]
    })
  const each = (name: string, help: string, read: (projection: ProjectionStatus) => number) =>
    gauge(name, help, ['projection'], (status) =>
      (status?.projections ?? []).map((one) => [read(one), { projection: one.projection }]),
    )

  gauge('projections_up', 'Whether the state of the projections could be read.', [], (status) => [[status ? 1 : 0]])
  single('projection_position', 'Commit position of the checkpoint.', ({ position }) => Number(position))
  single('projection_head_position', "Commit position of the event store's newest event.", ({ head }) => Number(head))
  single('projection_events_behind', 'Events that are not folded yet, counted up to 10,000.', ({ behind }) => behind)
  single('projection_last_event_age_seconds', 'Age of the event at the checkpoint.', ({ lastEventAge }) =>
    lastEventAge === undefined ? undefined : lastEventAge / 1_000,
  )
  gauge('projection_holder', 'Who holds the lease.', ['holder'], (status) =>
    status?.holder ? [[1, { holder: status.holder }]] : [],
  )
  each('projection_live', 'Whether the live table is of this release.', ({ state }) => (state === 'live' ? 1 : 0))
  each('projection_rows', 'Rows of the live table, as the database estimates them.', ({ rows }) => rows)
  each('projection_generation', 'The live generation.', ({ live }) => live?.generation ?? 0)
  each('projection_parked_streams', 'Streams in quarantine.', ({ parked }) => parked)
}

/** One look for all the gauges of a scrape: they are asked at the same time. `undefined` where it failed. */
const shared = (look: () => Promise<Status | undefined>) => {
  let running: Promise<Status | undefined> | undefined
  return (): Promise<Status | undefined> => {
    running ??= look()
      .catch(() => undefined)
      .finally(() => {
        running = undefined
      })
    return running
  }
}
