import type { MetricObjectWithValues, MetricValue } from 'prom-client'
import type { UserId } from '../domain/ids.js'

/** Where the stores are that the process which forked a worker has found or started. */
export type Stores = { readonly eventstoreUrl: string; readonly databaseUrl: string }

/** The commit position up to which each of these users was answered. */
export type OwnWritesOf = readonly (readonly [UserId, bigint])[]

/** As prom-client passes them between processes. */
export type Metrics = readonly MetricObjectWithValues<MetricValue<string>>[]

/** One use of a counter of `points` in `duration` seconds, by its name. */
export type Count = {
  readonly counter: { readonly name: string; readonly points: number; readonly duration: number }
  readonly key: string
  readonly how: 'consume' | 'get' | 'penalty' | 'reward'
}

/** `granted`: how many points were consumed, 0 where none are left. */
export type Counted = { readonly consumedPoints: number; readonly msBeforeNext: number; readonly granted: number }

/** What a worker can be asked. */
export type WorkerCalls = {
  /** Makes ready to answer the connections that will be handed over. Asked once. */
  readonly serve: (stores: Stores) => Promise<void>
  /** What users were answered by another worker: reads here have to show it. */
  readonly wrote: (entries: OwnWritesOf) => void
  readonly metrics: () => Promise<Metrics>
  /** Answers the requests under way, and ends. */
  readonly stop: () => void
}

/** What a worker asks of the process that forked it. */
export type PrimaryCalls = {
  /** Resolves when every other worker knows. */
  readonly wrote: (entries: OwnWritesOf) => Promise<void>
  readonly count: (count: Count) => Promise<Counted | undefined>
  /** The metrics of all processes together, as text. */
  readonly metrics: () => Promise<string>
  /** How the topics are, where this shop writes them. */
  readonly bridges: () => readonly object[] | undefined
  /** A part of the worker has given up for good: the shop can't go on. */
  readonly failed: (reason: unknown) => void
}

/** Comes with a connection's socket; the worker sends it back once the socket is its own. */
export type Handover = { readonly connection: number }

/** Told by a worker when a connection that was handed over is closed. */
export type Closed = { readonly closed: number }

export const isClosed = (message: unknown): message is Closed =>
  typeof message === 'object' && message !== null && 'closed' in message

export const isHandover = (message: unknown): message is Handover =>
  typeof message === 'object' && message !== null && 'connection' in message
