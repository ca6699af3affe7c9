import type { Knex } from 'knex'
import { Unavailable } from '../../platform/errors.js'
import { isMissingTable } from '../../platform/sqlstate.js'
import type { Fed, Generations } from '../../projections/engine/checkpoint.js'
import { tableName } from '../../projections/engine/tables.js'
import type { AnyProjection } from '../../projections/projection.js'

/** The read model of this release's shape is not built yet. */
export class NotReady extends Unavailable {
  override readonly name = 'NotReady'
  override readonly outside = 'what this reads is being built; try again in a moment'
}

/** What every query answers: all of it is of the one moment at which `position` was the checkpoint's. */
export type Answer<Value> = {
  readonly value: Value
  /** The commit position up to which the answer is folded. */
  readonly position: bigint
  /** That of the row's stream, where one row is asked for and there is one. */
  readonly revision?: number
  /** Why the row is not brought up to date any more: its stream is parked. */
  readonly parked?: string
}

export type Read = <Row extends object>(
  definitions: readonly Pick<AnyProjection, 'name' | 'version'>[],
  /** Adds its tables, by their projections' names, to a query that has the checkpoint alone, and answers one row at least. */
  build: (
    query: Knex.QueryBuilder,
    tables: { readonly [projection: string]: string },
    generations: Generations,
  ) => Knex.QueryBuilder,
) => Promise<{ readonly rows: readonly (Row & Marks)[]; readonly position: bigint }>

type Marks = { readonly c_position: number | null; readonly c_changes: number }

type Known = { readonly changes: number; readonly generations: Generations }

/**
 * Reads the live generations and the checkpoint that names them in one statement: one snapshot, one round trip. The names are
 * remembered, and where the checkpoint has named others since (or the table is gone), it reads again.
 */
export const createRead = (knex: Knex): Read => {
  let known: Known | undefined

  const learn = async (): Promise<Known> => {
    const row = await knex('tillroll.checkpoint').where('name', 'projections').first('changes', 'generations')
    if (!row) throw new NotReady('the projections have never run on this database')
    known = { changes: row.changes, generations: row.generations as Generations }
    return known
  }

  return async <Row extends object>(...[definitions, build]: Parameters<Read>) => {
    // What was not ready when it was learnt may be by now.
    let use = known && definitions.every((each) => isReady(known!.generations, each)) ? known : await learn()
    for (let attempt = 0; attempt < 10; attempt++) {
      const tables = Object.fromEntries(
        definitions.map((definition) => [definition.name, liveTable(use.generations, definition)]),
      )
      const query = knex('tillroll.checkpoint as c')
        .where('c.name', 'projections')
        .select('c.commit_position as c_position', 'c.changes as c_changes')
      const rows = await attempted<(Row & Marks)[]>(build(query, tables, use.generations))
      const first = rows?.[0]
      if (first && first.c_changes === use.changes) return answer(rows)
      const before = use.generations
      use = await learn()
      if (first && first.c_changes === use.changes && definitions.every((each) => sameLive(before, use.generations, each))) {
        return answer(rows)
      }
    }
    throw new NotReady('the read models are being replaced too often')
  }
}

/** `undefined` where a table is gone. */
const attempted = <Rows>(query: Knex.QueryBuilder): Promise<Rows | undefined> =>
  Promise.resolve(query).catch((error: unknown) => {
    if (!isMissingTable(error)) throw error
    return undefined
  })

const answer = <Rows extends readonly Marks[]>(rows: Rows) => ({ rows, position: BigInt(rows[0]!.c_position ?? -1) })

const liveOf = (generations: Generations, { name }: Pick<AnyProjection, 'name'>): Fed['live'] => generations[name]?.live ?? null

const isReady = (generations: Generations, definition: Pick<AnyProjection, 'name' | 'version'>): boolean =>
  liveOf(generations, definition)?.version === definition.version

const liveTable = (generations: Generations, definition: Pick<AnyProjection, 'name' | 'version'>): string => {
  const live = liveOf(generations, definition)
  if (!live) throw new NotReady(`${definition.name} is being built`)
  if (live.version !== definition.version) {
    throw new NotReady(`${definition.name} is at version ${live.version}, and this release reads version ${definition.version}`)
  }
  return tableName(definition, live.generation)
}

const sameLive = (a: Generations, b: Generations, definition: Pick<AnyProjection, 'name'>): boolean =>
  liveOf(a, definition)?.generation === liveOf(b, definition)?.generation
