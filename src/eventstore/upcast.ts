import { Unavailable } from '../platform/errors.js'

/** For each event type that ever changed, the steps from one version of its data to the next: the first turns version 1 into 2. */
export type Upcasts = { readonly [type: string]: readonly ((data: never) => object)[] }

/** A shape that was stored stays readable for ever: its step to today's is added here, and the stored event stays as it is. */
const upcasts: Upcasts = {}

/** The event was written by a later release, whose shape of it nobody here knows: to guess would damage what is made of it. */
export class NewerEvent extends Unavailable {
  override readonly name = 'NewerEvent'
  override readonly outside =
    'this was changed by a later release of the shop, which this process can not read; try again: another may, or this one once it is upgraded'
}

/**
 * The version of a type's shape that the code writes today, which its metadata names: 1 until that type first changes. Each type
 * counts for itself; an event without the mark is of version 1.
 */
export const schemaOf = (type: string, steps: Upcasts = upcasts): number => 1 + (stepsOf(type, steps)?.length ?? 0)

/** An event's data in today's shape; `schema` is the version that its metadata names. Throws `NewerEvent`. */
export const upcast = (type: string, data: unknown, schema = 1, steps: Upcasts = upcasts): unknown => {
  const today = schemaOf(type, steps)
  if (schema === today) return data
  if (schema > today) {
    throw new NewerEvent(
      `${type} was stored in version ${schema} of its shape, and this release knows it up to ${today}: run the release that wrote it, or a later one`,
    )
  }
  return stepsOf(type, steps)!
    .slice(schema - 1)
    .reduce<unknown>((shape, step) => step(shape as never), data)
}

/** A stored event in today's shape. That its data is what its type says, no type can know: the tests hold one of every shape ever stored. Throws `NewerEvent`. */
export const inTodaysShape = <Event extends { readonly type: string; readonly data: unknown }>({
  type,
  data,
  metadata,
}: {
  readonly type: string
  readonly data: unknown
  readonly metadata: { readonly schema?: number }
}): Event => ({ type, data: upcast(type, data, metadata.schema) }) as Event

const stepsOf = (type: string, steps: Upcasts): Upcasts[string] | undefined =>
  Object.hasOwn(steps, type) ? steps[type] : undefined
