import { createRequire } from 'node:module'
import { isatty } from 'node:tty'
import { type DestinationStream, type Logger, pino } from 'pino'

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
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    format === 'people' ? forPeople(to) : pino.destination({ dest: to, sync: true }),
  )

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
