import { z } from 'zod'
import { OutsideHistory, type Past } from '../../history/as-of.js'
import type { Moment } from '../../history/engine/moment.js'
import type { Place } from '../../history/engine/range.js'
import { Refusal } from '../pipeline/errors.js'
import { unlessParked } from '../pipeline/route.js'
import type { Http } from '../pipeline/services.js'
import { digits, position } from './schemas.js'

const time = z
  .string('must be a time')
  // An offset's plus sign is a space where a client did not encode it.
  .transform((value) => value.replace(' ', '+'))
  .pipe(z.iso.datetime({ offset: true, error: 'must be a time like 2026-01-31T12:00:00Z' }))
  .meta({ format: 'date-time' })

const columns = z
  .string('must be columns, several by comma')
  .max(200, 'must have at most 200 characters')
  .transform((value) =>
    value
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '' && one !== '*'),
  )
  .meta({
    description:
      'For analysts and staff: instead of the object, which event set these columns, such as stock; all of them where none is named',
  })

/** Which moment of the whole shop a read asks for: now, if it asks for none. */
export const momentQuery = { asOf: time.exactOptional(), position: position.exactOptional() }

/** At most one of them says when. */
export const oneMoment = [
  ({ revision, asOf, position }: { revision?: number; asOf?: string; position?: bigint }): boolean =>
    [revision, asOf, position].filter((one) => one !== undefined).length <= 1,
  { path: ['asOf'] as PropertyKey[], message: 'give one of revision, asOf and position' },
] as const

/** What of an object a read asks for: in which state it was, and of which columns it wants to know why. */
export const objectQuery = {
  revision: digits(0, Number.MAX_SAFE_INTEGER).exactOptional(),
  ...momentQuery,
  explain: columns.exactOptional(),
}

/** Which state of an object a read asks for: now, if it asks for none. */
export const asOfQuery = z.object(objectQuery).refine(...oneMoment)

type Read<Value> = { readonly value: Value | undefined; readonly revision?: number; readonly parked?: string }

export type AsOfQuery = z.output<typeof asOfQuery>

/** Whether the object is asked for as it is. */
export const isNow = ({ revision, asOf, position }: AsOfQuery): boolean =>
  revision === undefined && asOf === undefined && position === undefined

/** The moment of the whole shop that is asked for. */
export const momentOf = ({ asOf, position }: Pick<AsOfQuery, 'asOf' | 'position'>): Place | undefined => {
  if (asOf !== undefined) return { time: asOf }
  return position === undefined ? undefined : { position }
}

/** The same, or the object's revision. */
export const askedMoment = ({ revision, ...moment }: AsOfQuery): Moment | undefined =>
  revision === undefined ? momentOf(moment) : { revision }

/** The object as it was: nothing where there was nothing yet. Throws `Refusal` 400 for a moment outside of the history, 503 where it can't be read. */
export const readThen = async <Value>(
  { revision = 0, ...moment }: AsOfQuery,
  then: (moment: Moment) => Promise<Past<Value> | undefined>,
): Promise<Read<Value>> => unlessParked((await within(then(momentOf(moment) ?? { revision }))) ?? { value: undefined })

/** The object as it is, or as it was. Throws `Refusal` as `readThen` does. */
export const currentOrAsOf = async <Value>(
  query: AsOfQuery,
  now: () => Promise<Read<Value>>,
  then: (moment: Moment) => Promise<Past<Value> | undefined>,
): Promise<Read<Value>> => (isNow(query) ? unlessParked(await now()) : readThen(query, then))

/** The first of a list as it was, so many at most. Throws `Refusal` 400 for a moment outside of the history. */
export const firstOf = async <Value>(values: AsyncIterable<Value>, most: number): Promise<readonly Value[]> => {
  const first: Value[] = []
  const take = async (): Promise<readonly Value[]> => {
    for await (const value of values) {
      first.push(value)
      if (first.length >= most) break
    }
    return first
  }
  return within(take())
}

/** Lists as they were begin with the present rows, so these have to hold all that happened until now: waits a little, else the answer says so. */
export const headersOfThen = async ({ history, freshness, config }: Pick<Http, 'history' | 'freshness' | 'config'>) => {
  const head = history.head()
  const isCurrent = head === undefined || (await freshness.waitFor(head, config.ownWritesWait))
  return isCurrent ? {} : { Warning: '110 - "The answer may leave out what happened last"' }
}

/** Throws `Refusal` 400 for a moment outside of the history. */
export const within = async <Value>(work: Promise<Value>): Promise<Value> => {
  try {
    return await work
  } catch (error) {
    if (error instanceof OutsideHistory) throw new Refusal(400, error.message, { cause: error })
    throw error
  }
}
