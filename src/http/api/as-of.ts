import { z } from 'zod'
import type { Moment, Past } from '../../history/as-of.js'
import { unlessParked } from '../pipeline/route.js'
import { digits } from './schemas.js'

const time = z
  .string('must be a time')
  // An offset's plus sign is a space where a client did not encode it.
  .transform((value) => value.replace(' ', '+'))
  .pipe(z.iso.datetime({ offset: true, error: 'must be a time like 2026-01-31T12:00:00Z' }))
  .meta({ format: 'date-time' })

/** Which state of an object a read asks for: now, if it asks for none. */
export const asOfQuery = z
  .object({ revision: digits(0, Number.MAX_SAFE_INTEGER).exactOptional(), asOf: time.exactOptional() })
  .refine(({ revision, asOf }) => revision === undefined || asOf === undefined, {
    path: ['asOf'],
    message: 'give revision or asOf, not both',
  })

type Read<Value> = { readonly value: Value | undefined; readonly revision?: number; readonly parked?: string }

export type AsOfQuery = z.output<typeof asOfQuery>

/** Whether the object is asked for as it is. */
export const isNow = ({ revision, asOf }: AsOfQuery): boolean => revision === undefined && asOf === undefined

/** The object as it was: nothing where there was nothing yet. Throws `Refusal` 503 where it can't be read. */
export const readThen = async <Value>(
  { revision, asOf = '' }: AsOfQuery,
  then: (moment: Moment) => Promise<Past<Value> | undefined>,
): Promise<Read<Value>> =>
  unlessParked((await then(revision === undefined ? { time: asOf } : { revision })) ?? { value: undefined })

/** The object as it is, or as it was. Throws `Refusal` 503 where it can't be read. */
export const currentOrAsOf = async <Value>(
  query: AsOfQuery,
  now: () => Promise<Read<Value>>,
  then: (moment: Moment) => Promise<Past<Value> | undefined>,
): Promise<Read<Value>> => (isNow(query) ? unlessParked(await now()) : readThen(query, then))
