import { z } from 'zod'

/** What somebody asks the history in SQL, and how they want the answer. */
export const question = z.object({
  sql: z.string(),
  format: z.enum(['json', 'csv', 'parquet']),
  /** With personal data. Whether its asker may see that, and that they asked, is seen to elsewhere. */
  personal: z.boolean(),
})
export type Question = z.infer<typeof question>

/** What the process that answers works with. */
export const answering = z.object({
  eventstoreUrl: z.string(),
  databaseUrl: z.string(),
  storeId: z.string(),
  /** `history` of the data folder. */
  folder: z.string(),
  limits: z.object({ memory: z.string(), threads: z.number() }),
  /** Milliseconds that DuckDB may work for a question. */
  timeout: z.number(),
  /** The socket to listen on. */
  socket: z.string(),
})
export type Answering = z.infer<typeof answering>

/** A question that is not answered; the message says why, and is for whoever asked. */
export class NotAnswered extends Error {
  override readonly name = 'NotAnswered'
  /** As HTTP has it. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}
