import type { KeyObject } from 'node:crypto'
import type pg from 'pg'

/** What the routes work with. */
export type Shop = {
  readonly pool: pg.Pool
  /** Signs and verifies tokens. A KeyObject is much faster than the same secret as a string. */
  readonly key: KeyObject
  readonly bcryptCost: number
}

/** A statement that each connection prepares once. The rows come as arrays: nothing is spent on the names of columns. */
export const statement =
  (name: string, text: string) =>
  async <Row extends readonly unknown[]>({ pool }: Shop, values: readonly unknown[]): Promise<readonly Row[]> =>
    (await pool.query({ name, text, values: values as unknown[], rowMode: 'array' })).rows as unknown as Row[]
