import { catalogue, isSecret } from '../../domain/catalogue.js'
import { parseId } from '../../domain/ids.js'
import { nearNames, unknownName } from './names.js'
import type { Range } from './range.js'

/** Which events; what is left out doesn't matter. */
export type HistoryFilter = Range & {
  readonly types?: readonly string[] | undefined
  /** A stream's name, or what it begins with. */
  readonly stream?: string | undefined
  readonly actor?: string | undefined
  readonly correlation?: string | undefined
}

/** `product-7` is how people write what is stored as 24 digits. */
export const streamNamed = (word: string): string => {
  const [, category, number] = /^([a-z]+)-(\d{1,16})$/.exec(word) ?? []
  const id = number === undefined ? undefined : parseId(Number(number))
  return id === undefined ? word : `${category}-${id}`
}

/** The types that can be asked for. */
export const shownTypes: readonly string[] = [...catalogue.keys()].filter((type) => !isSecret(type)).sort()

const categories: readonly string[] = [...new Set([...catalogue.values()].map(({ category }) => category))]

/** Throws `UnknownName` for a type that there is none of, or a stream of no kind that the shop has. */
export const checkFilter = ({ types, stream }: HistoryFilter): void => {
  for (const type of types ?? []) if (!shownTypes.includes(type)) throw unknownName('event type', type, shownTypes)
  if (stream === undefined) return
  const dash = stream.indexOf('-')
  const category = dash < 0 ? stream : stream.slice(0, dash)
  const known = dash < 0 ? categories.some((one) => one.startsWith(category)) : categories.includes(category)
  if (!known) throw unknownName('stream that begins with', stream, nearStreams(category))
}

const nearStreams = (category: string): readonly string[] => {
  const near = nearNames(category, categories)
  return (near.length > 0 ? near : categories).map((one) => `${one}-`)
}

/** What can be told before the event's content is looked at. */
export const byName = ({ types, stream }: HistoryFilter): ((type: string, streamId: string) => boolean) => {
  const wanted = types && new Set(types)
  return (type, streamId) => (!wanted || wanted.has(type)) && (stream === undefined || streamId.startsWith(stream))
}

export const byOrigin = ({ actor, correlation }: HistoryFilter) => {
  return (event: { readonly actor: string | undefined; readonly correlation: string | undefined }): boolean =>
    (actor === undefined || event.actor === actor) && (correlation === undefined || event.correlation === correlation)
}
