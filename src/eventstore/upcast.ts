/** What the code writes today; an event without the mark is of version 1. */
export const schemaVersion = 1

/** For each event type, the steps from one version of its data to the next: the first turns version 1 into 2. */
export type Upcasts = { readonly [type: string]: readonly ((data: never) => object)[] }

/** A shape that was stored stays readable for ever: its step to today's is added here, and the stored event stays as it is. */
const upcasts: Upcasts = {}

/** An event's data in today's shape; `schema` is the version that its metadata names. */
export const upcast = (type: string, data: unknown, schema = 1, steps: Upcasts = upcasts): unknown =>
  steps[type]?.slice(schema - 1).reduce<unknown>((shape, step) => step(shape as never), data) ?? data

/** Whether there is an older shape of it: only then need anybody know its version. */
export const hasOlderShapes = (type: string): boolean => Object.hasOwn(upcasts, type)
