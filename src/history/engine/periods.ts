import { DateTime, IANAZone } from 'luxon'
import type { Clock, Period } from '../fold.js'
import { unknownName } from './names.js'

export type Every = 'hour' | 'day' | 'week' | 'month'

/** The periods of a time zone: summer time, and months as long as they are. */
export type Periods = {
  readonly clock: Clock
  /** The period that the time (milliseconds since 1970) is in. */
  readonly of: (time: number) => Period
}

/** Throws `UnknownName` for a zone that there is none of. */
export const assertZone = (zone: string): void => {
  if (!IANAZone.isValidZone(zone)) throw unknownName('time zone', zone, ['UTC', ...Intl.supportedValuesOf('timeZone')])
}

/** `zone`: such as `Europe/Berlin`. Weeks begin on Monday. Throws `UnknownName`. */
export const periodsIn = (zone: string, every: Every): Periods => {
  assertZone(zone)
  return {
    clock: clockIn(zone),
    of: (time) => {
      const start = DateTime.fromMillis(time, { zone }).startOf(every)
      return { label: labelOf(start, every), start: start.toMillis(), end: start.plus({ [every]: 1 }).toMillis() }
    },
  }
}

const labelOf = (start: DateTime, every: Every): string => {
  if (every === 'hour') return start.toFormat(start.zoneName === 'UTC' ? "yyyy-MM-dd'T'HH:mm'Z'" : "yyyy-MM-dd'T'HH:mmZZ")
  return start.toFormat(every === 'month' ? 'yyyy-MM' : 'yyyy-MM-dd')
}

/** Throws `UnknownName`. */
export const clockIn = (zone: string): Clock => {
  assertZone(zone)
  // What the store holds is UTC already.
  const text = (at: string, format: string): string => DateTime.fromISO(at, { zone }).toFormat(format)
  return zone === 'UTC'
    ? { zone, date: (at) => at.slice(0, 10), time: (at) => at.slice(11, 19) }
    : { zone, date: (at) => text(at, 'yyyy-MM-dd'), time: (at) => text(at, 'HH:mm:ss') }
}
