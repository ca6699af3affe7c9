import { createRequire } from 'node:module'
import { isatty } from 'node:tty'
import { type DestinationStream, type Logger, pino } from 'pino'
import { codeOf, Unavailable } from './errors.js'

export type Log = Logger

export type LogOptions = {
  /** 1, the standard output; or 2, the standard error, for a command whose output is its answer. */
  readonly to?: 1 | 2
  /** JSON lines, or a line for people to read, without what only programs want. Left out: people at a terminal, else JSON. */
  readonly format?: 'people' | 'json' | undefined
}

/** What is written is out at once, and not in a buffer: the last line before a crash is the one that is needed. */
export const createLog = (level: string, { to = 1, format = isatty(to) ? 'people' : 'json' }: LogOptions = {}): Log =>
  pino(
    {
      level,
      base: null,
      serializers,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    format === 'people' ? forPeople(to) : pino.destination({ dest: to, sync: true }),
  )

type Failure = {
  readonly type: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
  readonly cause?: Failure
}

/**
 * What the log says of an error, under the key `err`: enough to find the fault, and none of the fields in which an error of the database
 * holds what was in a row. What comes and goes by itself (`Unavailable`) has no fault whose place would be worth showing.
 */
export const failureOf = (error: unknown, depth = 3): Failure => {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) }
  const code = codeOf(error)
  const shown = error instanceof Unavailable ? undefined : error.stack
  return {
    type: error.name,
    message: error.message,
    ...(code !== undefined && { code }),
    ...(shown !== undefined && { stack: shown }),
    ...(error.cause instanceof Error && depth > 0 && { cause: failureOf(error.cause, depth - 1) }),
  }
}

/** Of every log of the shop. */
export const serializers = { err: (error: unknown) => failureOf(error) }

const forPeople = (to: 1 | 2): DestinationStream => {
  // Loaded where it is needed: elsewhere it would only make the start slower.
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty')
  return pretty({
    destination: to,
    sync: true,
    colorize: isatty(to) && !process.env.NO_COLOR,
    translateTime: 'SYS:HH:MM:ss',
    include: 'time,level,err',
  })
}
