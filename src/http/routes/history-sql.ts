import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { checkFilter } from '../../history/engine/filter.js'
import { UnknownName } from '../../history/engine/names.js'
import { namesIn } from '../../history/engine/statement.js'
import { views } from '../../history/engine/views.js'
import { NotAnswered, type Question } from '../../history/service/question.js'
import { statsSql } from '../../history/stats.js'
import { filterOf, sqlBody, statsQuery, statsView } from '../api/history.js'
import { createDisclosure } from '../pipeline/disclosure.js'
import { Refusal, unavailable } from '../pipeline/errors.js'
import { type Route, route } from '../pipeline/route.js'
import type { Http } from '../pipeline/services.js'

const formats: { readonly [type: string]: Question['format'] } = {
  'application/json': 'json',
  'text/csv': 'csv',
  'application/vnd.apache.parquet': 'parquet',
}

/** Questions that DuckDB answers, in a process of its own: for analysts and staff. */
export const historySqlRoutes = ({ history, flows, commands }: Http): readonly Route[] => {
  const disclosed = createDisclosure(commands)

  return [
    route({
      method: 'POST',
      path: '/history/sql',
      summary:
        'Asks the history in SQL, one statement that reads; the answer is JSON, text/csv or application/vnd.apache.parquet, as Accept says',
      who: ['staff', 'analyst'],
      dialect: 'plain',
      kind: 'other',
      body: sqlBody,
      answers: {
        status: 200,
        view: z.array(z.looseObject({})),
        media: ['text/csv', 'application/vnd.apache.parquet'],
        errors: [406],
      },
      handle: async (call) => {
        const { sql } = call.body
        // How errors are wanted says nothing of the answer.
        const type = call.prefers(...Object.keys(formats)) || (call.prefers('application/problem+json') && 'application/json')
        if (type === false)
          throw new Refusal(406, `the answer can be had as ${Object.keys(formats).join(', ')}: say which in Accept`)
        const personal = await disclosed(call, call.body.personal, `POST /history/sql of ${viewsOf(sql).join(', ') || 'nothing'}`)
        const flow = await answered(() => history.ask({ sql, format: formats[type]!, personal }, call.gone()))
        return { bytes: { type, flow: flows(flow, call.caller) } }
      },
    }),

    route({
      method: 'GET',
      path: '/history/stats',
      summary: 'How many events of which type there were in each hour or day (UTC)',
      who: ['staff', 'analyst'],
      dialect: 'plain',
      kind: 'other',
      query: statsQuery,
      answers: { status: 200, view: z.array(statsView) },
      handle: async ({ query, gone }) => {
        const view = await answered(async () => {
          const filter = filterOf(query)
          checkFilter(filter)
          const sql = statsSql(filter, query.by)
          return JSON.parse(await text(await history.ask({ sql, format: 'json', personal: false }, gone())))
        })
        return { view }
      },
    }),
  ]
}

/** The views that a statement names. */
const viewsOf = (sql: string): readonly string[] => {
  const named = namesIn(sql)
  return views()
    .map(({ name }) => name)
    .filter((name) => named.has(name))
}

const answered = async <Result>(work: () => Promise<Result>): Promise<Result> => {
  try {
    return await work()
  } catch (error) {
    if (error instanceof UnknownName) throw new Refusal(400, error.message, { cause: error })
    if (!(error instanceof NotAnswered)) throw error
    if (error.status === 503) throw unavailable(error.message, error)
    throw new Refusal(error.status, error.message, { cause: error })
  }
}
