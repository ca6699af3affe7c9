import { Readable } from 'node:stream'
import { z } from 'zod'
import { parseId } from '../../domain/ids.js'
import type { HistoryEvent } from '../../history/engine/event.js'
import type { HistoryFilter } from '../../history/engine/filter.js'
import { readPlace } from '../../history/engine/range.js'
import { digits, position } from './schemas.js'

export const word = z.string('must be one value').min(1, 'must not be empty').max(200, 'must have at most 200 characters')

const types = z
  .union([word, z.array(word)], 'must be event types, several by comma')
  .transform((value) => [value].flat().flatMap((one) => one.split(',').map((type) => type.trim())))

export const place = word
  .transform((value, context) => {
    try {
      // An offset's plus sign is a space where a client did not encode it.
      return readPlace(value.replace(/ (?=\d{2}:?\d{2}$)/, '+'))
    } catch (error) {
      context.addIssue((error as Error).message)
      return z.NEVER
    }
  })
  .meta({ description: 'A day, a time, how long ago (such as 7d), or a position' })

/** A user as the history names them. */
const actor = word.transform((value) => parseId(/^\d{1,16}$/.test(value) ? Number(value) : value) ?? value)

/** Names and e-mail addresses too, which staff alone may ask for, and which is put on record. */
export const personal = z
  .enum(['true', 'false'], 'must be true or false')
  .transform((word) => word === 'true')
  .meta({ description: 'With names and e-mail addresses: for staff, and put on record' })

const filter = {
  type: types.exactOptional(),
  stream: word.meta({ description: 'What its name begins with' }).exactOptional(),
  actor: actor.exactOptional(),
  correlation: word.exactOptional(),
  from: place.exactOptional(),
  to: place.exactOptional(),
}

export const eventsQuery = z
  .object({
    ...filter,
    after: position.exactOptional(),
    before: position.exactOptional(),
    limit: digits(1, 1_000).exactOptional(),
    personal: personal.exactOptional(),
  })
  .refine(({ after, before }) => after === undefined || before === undefined, {
    path: ['before'],
    message: 'give after or before, not both',
  })

export const streamQuery = z.object({
  from: digits(0, Number.MAX_SAFE_INTEGER).exactOptional(),
  limit: digits(1, 1_000).exactOptional(),
  personal: personal.exactOptional(),
})

export const statsQuery = z.object({ ...filter, by: z.enum(['hour', 'day'], 'must be hour or day').default('day') })

export const statsView = z.object({ period: z.string(), type: z.string(), events: z.int() })

export const sqlBody = z.object({
  sql: z
    .string('must be a text')
    .min(1, 'must not be empty')
    .meta({ description: 'One statement that reads, in the SQL of DuckDB' }),
  personal: z
    .boolean('must be true or false')
    .meta({ description: 'With names and e-mail addresses: for staff, and put on record' })
    .exactOptional(),
})

export const filterOf = ({
  type,
  ...query
}: Omit<z.output<typeof eventsQuery>, 'after' | 'before' | 'limit' | 'personal'>): HistoryFilter => {
  const { stream, actor, correlation, from, to } = query
  return { types: type, stream, actor, correlation, from, to }
}

export const eventView = z.object({
  position: z.string(),
  id: z.string(),
  stream: z.string(),
  revision: z.int(),
  type: z.string(),
  at: z.string(),
  actor: z.string().nullable(),
  correlation: z.string().nullable(),
  causation: z.string().nullable(),
  data: z.looseObject({}),
})

export const viewEvent = (event: HistoryEvent): z.output<typeof eventView> => {
  const { id, stream, revision, type, at, actor = null, correlation = null, causation = null, data } = event
  return { position: `${event.position}`, id, stream, revision, type, at, actor, correlation, causation, data }
}

type Batches = AsyncIterable<readonly HistoryEvent[]>

/** Bytes that wait for a reader, beside the batch that they are of. */
const waiting = 16_384

/** Lines of JSON. No batch is asked for before the one before it has been taken. `stop` is called when the reader is done, or has gone. */
export const linesOf = (batches: Batches, stop: () => void): Readable => {
  async function* lines(): AsyncGenerator<string> {
    for await (const events of batches) for (const event of events) yield `${JSON.stringify(viewEvent(event))}\n`
  }
  return flow(lines(), stop)
}

/** Server-Sent Events, each under its position; a comment where nothing came for a while. Else as `linesOf`. */
export const eventsOf = (batches: Batches, stop: () => void): Readable => {
  async function* written(): AsyncGenerator<string> {
    // At once, so that the client knows that it is connected.
    yield ':\n\n'
    for await (const events of batches) {
      if (events.length === 0) yield ':\n\n'
      for (const event of events) yield `id: ${event.position}\ndata: ${JSON.stringify(viewEvent(event))}\n\n`
    }
  }
  return flow(written(), stop)
}

/** Not `Readable.from`, which ends when the next text has come: whoever waits for one is told at once. */
const flow = (texts: AsyncGenerator<string>, stop: () => void): Readable =>
  new Readable({
    highWaterMark: waiting,
    read() {
      texts.next().then(
        ({ done, value }) => this.push(done ? null : value),
        (error: Error) => this.destroy(error),
      )
    },
    destroy(error, done) {
      stop()
      texts.return(undefined).then(() => done(error), done)
    },
  })
