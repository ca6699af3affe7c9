import { z } from 'zod'
import type { AnyId } from '../../domain/ids.js'
import { type Blame, blame, projectionNamed } from '../../history/blame.js'
import { UnknownName } from '../../history/engine/names.js'
import { Refusal } from '../pipeline/errors.js'
import type { Answer } from '../pipeline/route.js'
import type { Http } from '../pipeline/services.js'
import { type AsOfQuery, askedMoment, within } from './as-of.js'

/** Why a row is as it is: for each column the event that set its value. */
export const explanationView = z.object({
  projection: z.string(),
  stream: z.string(),
  columns: z.record(
    z.string(),
    z.object({
      value: z.unknown(),
      before: z.unknown(),
      event: z.object({
        type: z.string(),
        stream: z.string(),
        revision: z.int(),
        position: z.string(),
        at: z.string(),
        actor: z.string().nullable(),
        correlation: z.string().nullable(),
        command: z.string().nullable(),
      }),
    }),
  ),
})

/** Who may ask why. */
export const askers = ({ explain }: AsOfQuery) => (explain ? (['staff', 'analyst'] as const) : undefined)

type Asked = AsOfQuery & { readonly explain: readonly string[] }

/** Throws `Refusal`: 400 for a column that there is none of, 404 where there is, or was, no such row. */
export const explained = async ({ history }: Pick<Http, 'history'>, name: string, id: AnyId, query: Asked): Promise<Answer> => {
  const { store } = history.source
  const moment = askedMoment(query)
  if (moment && !('revision' in moment)) await within(history.asOf.assertWithin(moment))
  const found = await blame({ read: store.read }, projectionNamed(name), { id, moment, column: query.explain }).catch(asRefusal)
  if (!found || found.columns.length === 0) throw new Refusal(404, moment ? 'there was no such row then' : 'there is no such row')
  return { view: viewExplanation(found), headers: { 'Cache-Control': 'private, no-cache' }, parked: found.parked }
}

const asRefusal = (error: unknown): never => {
  if (error instanceof UnknownName) throw new Refusal(400, error.message, { cause: error })
  throw error
}

const viewExplanation = ({ projection, stream, columns }: Blame): z.output<typeof explanationView> => ({
  projection,
  stream,
  columns: Object.fromEntries(
    columns.map(({ column, before = null, after = null, cause }) => {
      const { position, actor = null, correlation = null, command = null, ...event } = cause
      return [column, { value: after, before, event: { ...event, position: `${position}`, actor, correlation, command } }]
    }),
  ),
})
