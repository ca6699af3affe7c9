/** A place in the history: a commit position of the store, or a time (RFC 3339, UTC), which is compared with the events' `at`. */
export type Place = { readonly position: bigint } | { readonly time: string }

/** From (inclusive) and to (exclusive); left out: from the beginning, to the end. */
export type Range = { readonly from?: Place | undefined; readonly to?: Place | undefined }

/** A place that nobody can make sense of; the message says how to write one. */
export class UnreadablePlace extends Error {
  override readonly name = 'UnreadablePlace'
}

const units: { readonly [unit: string]: number } = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

const date = /^(\d{4})-(\d{2})-(\d{2})$/
const dateTime = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?$/i

/**
 * Reads what somebody typed: a position (`4711`), a day (`2026-01-31`, which begins at midnight UTC), a time (`2026-01-31T12:00`, UTC
 * unless it names a zone), or how long ago (`90m`, `12h`, `7d`, `2w`). Throws `UnreadablePlace`.
 */
export const readPlace = (word: string, now = Date.now()): Place => {
  const text = word.trim()
  if (/^\d{1,19}$/.test(text)) return { position: BigInt(text) }
  const ago = /^(\d{1,6})([mhdw])$/.exec(text)
  if (ago) return { time: new Date(now - Number(ago[1]) * units[ago[2]!]!).toISOString() }
  const time = readTime(text)
  if (time !== undefined) return { time: new Date(time).toISOString() }
  throw new UnreadablePlace(
    `${JSON.stringify(word)} is no place in the history: write a day such as 2026-01-31, a time such as 2026-01-31T12:00 (UTC) or ` +
      '2026-01-31T12:00:00+01:00, how long ago such as 12h, 7d or 2w, or a position such as 4711',
  )
}

/** Milliseconds since 1970; `undefined` also for a day that no calendar has. */
const readTime = (text: string): number | undefined => {
  if (!date.test(text) && !dateTime.test(text)) return undefined
  const day = text.slice(0, 10)
  const midnight = new Date(`${day}T00:00:00Z`)
  if (Number.isNaN(midnight.getTime()) || midnight.toISOString().slice(0, 10) !== day) return undefined
  const zoned = /(Z|[+-]\d{2}:?\d{2})$/i.test(text.slice(10))
  const time = date.test(text) ? midnight.getTime() : Date.parse(`${text.replace(' ', 'T')}${zoned ? '' : 'Z'}`)
  return Number.isNaN(time) ? undefined : time
}

/** A place in a file. */
export const placeAsJson = (place: Place | undefined): { readonly position: string } | { readonly time: string } | undefined =>
  place && ('position' in place ? { position: `${place.position}` } : place)

export const placeOfJson = (stored: ReturnType<typeof placeAsJson>): Place | undefined =>
  stored && ('position' in stored ? { position: BigInt(stored.position) } : stored)

/** Tells for an event whether it is in the range. */
export const inRange = ({ from, to }: Range): ((position: bigint, at: number) => boolean) => {
  const [after, before] = [bound(from), bound(to)]
  return (position, at) =>
    (after === undefined || (typeof after === 'bigint' ? position >= after : at >= after)) &&
    (before === undefined || (typeof before === 'bigint' ? position < before : at < before))
}

const bound = (place: Place | undefined): bigint | number | undefined =>
  place && ('position' in place ? place.position : Date.parse(place.time))

/** What somebody should know about a range that reaches beyond what there is; `first` and `last` are the history's first and last event. */
export const rangeRemarks = (
  { from, to }: Range,
  first: { readonly position: bigint; readonly at: string } | undefined,
  last: { readonly position: bigint; readonly at: string } | undefined,
  now = Date.now(),
): readonly string[] => {
  if (!first || !last) return ['there are no events yet']
  const remarks: string[] = []
  const told = (name: string, place: Place): void => {
    if ('position' in place) {
      if (place.position > last.position)
        remarks.push(`${name} ${place.position} is after the last event, which is at ${last.position}`)
    } else if (Date.parse(place.time) > now) remarks.push(`${name} ${place.time} is after now`)
    else if (Date.parse(place.time) < Date.parse(first.at)) {
      remarks.push(`${name} ${place.time} is before the beginning: the first event is of ${first.at}`)
    }
  }
  if (from) told('--from', from)
  if (to) told('--to', to)
  return remarks
}
