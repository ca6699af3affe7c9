import { type Logger, pino } from 'pino'

export type Log = Logger

/** JSON lines on the standard output, or on the standard error for a command whose output is its answer. */
export const createLog = (level: string, destination: 1 | 2 = 1): Log =>
  pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    // At once, and not through a buffer: the last line before a crash is the one that is needed.
    pino.destination({ dest: destination, sync: true }),
  )
