import { Unavailable } from '../../platform/errors.js'
import { isMissingTable } from '../../platform/sqlstate.js'
import { type Client, type Fed, type Generations, readCheckpoint } from '../../projections/engine/checkpoint.js'
import { tableName } from '../../projections/engine/tables.js'
import type { AnyProjection } from '../../projections/projection.js'

/** The read model of this release's shape is not built yet. */
export class NotReady extends Unavailable {
  override readonly name = 'NotReady'
  override readonly outside = 'what this reads is being built; try again in a moment'
}

/** What every query answers: all of it is of the one moment at which `position` was the checkpoint's. */
export type QueryResult<Value> = {
  readonly value: Value
  /** The commit position up to which the answer is folded. */
  readonly position: bigint
  /** That of the row's stream, where one row is asked for and there is one. */
  readonly revision?: number
  /** Why the row is not brought up to date any more: its stream is parked. */
  readonly parked?: string
}

type Definition = Pick<AnyProjection, 'name' | 'version'>

/** One query in all generations of the tables that it reads. */
export type Query = {
  /** Of this text alone: the database plans it once on each connection. */
  readonly name: string
  readonly definitions: readonly Definition[]
  /** The select: from the checkpoint's row `c`, with `columns` of it, in one row at least. Made once for each set of generations. */
  readonly text: (live: Live) => string
}

/** What is live of each projection, by its name. */
export type Live = {
  readonly table: (projection: Pick<AnyProjection, 'name'>) => string
  readonly generation: (projection: Pick<AnyProjection, 'name'>) => number
}

/** What each query selects of the checkpoint `c`. */
export const ofCheckpoint = 'c.commit_position as c_position, c.changes::int as c_changes'

export type Read = <Row extends object>(
  query: Query,
  values?: readonly unknown[],
) => Promise<{ readonly rows: readonly (Row & OfCheckpoint)[]; readonly position: bigint }>

type OfCheckpoint = { readonly c_position: number | null; readonly c_changes: number }

type Known = { readonly changes: number; readonly generations: Generations; readonly texts: Map<string, Prepared> }

type Prepared = { readonly name: string; readonly text: string }

/**
 * Reads the live generations and the checkpoint that names them in one statement: one snapshot, one round trip. The names are
 * remembered, and where the checkpoint has named others since (or the table is gone), it reads again.
 */
export const createRead = (client: Client): Read => {
  let known: Known | undefined

  const learn = async (): Promise<Known> => {
    const checkpoint = await readCheckpoint(client)
    if (!checkpoint) throw new NotReady('the projections have never run on this database')
    known = { changes: checkpoint.changes, generations: checkpoint.generations, texts: new Map() }
    return known
  }

  /** `undefined` where a table is gone. */
  const attempt = async <Row extends object>(query: Query, use: Known, values: readonly unknown[]) => {
    try {
      const { rows } = await client.query<Row & OfCheckpoint>({ ...preparedOf(query, use), values: [...values] })
      return rows
    } catch (error) {
      if (!isMissingTable(error)) throw error
      return undefined
    }
  }

  return async <Row extends object>(query: Query, values: readonly unknown[] = []) => {
    const { definitions } = query
    // What was not ready when it was learnt may be by now.
    let use = known && definitions.every((each) => isReady(known!.generations, each)) ? known : await learn()
    for (let attempts = 0; attempts < 10; attempts++) {
      const rows = await attempt<Row>(query, use, values)
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

/** Throws `NotReady`. A statement's name says all that its text depends on: the query, and the tables with their shape. */
const preparedOf = ({ name, definitions, text }: Query, { generations, texts }: Known): Prepared => {
  const before = texts.get(name)
  if (before) return before
  for (const definition of definitions) assertLive(generations, definition)
  const generation = (projection: Pick<AnyProjection, 'name'>) => liveOf(generations, projection)!.generation
  const prepared = {
    name: `${name} ${definitions.map((each) => `${generation(each)}v${each.version}`).join(' ')}`,
    text: text({ generation, table: (projection) => tableName(projection, generation(projection)) }),
  }
  texts.set(name, prepared)
  return prepared
}

const answer = <Rows extends readonly OfCheckpoint[]>(rows: Rows) => ({ rows, position: BigInt(rows[0]!.c_position ?? -1) })

const liveOf = (generations: Generations, { name }: Pick<AnyProjection, 'name'>): Fed['live'] => generations[name]?.live ?? null

const isReady = (generations: Generations, definition: Definition): boolean =>
  liveOf(generations, definition)?.version === definition.version

const assertLive = (generations: Generations, definition: Definition): void => {
  const live = liveOf(generations, definition)
  if (!live) throw new NotReady(`${definition.name} is being built`)
  if (live.version !== definition.version) {
    throw new NotReady(`${definition.name} is at version ${live.version}, and this release reads version ${definition.version}`)
  }
}

const sameLive = (a: Generations, b: Generations, definition: Pick<AnyProjection, 'name'>): boolean =>
  liveOf(a, definition)?.generation === liveOf(b, definition)?.generation
