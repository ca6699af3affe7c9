import { parseArgs } from 'node:util'
import type { Format } from './report.js'
import { allRows, growthRows, quickRows, type Row, rowsOf } from './rows.js'

const usage = `npm run bench -- [options]
  --quick               two minutes: 64 connections, two short rounds
  --rows a,b            some rows: ${allRows}
  --connections 1,64    default 1,16,64,256
  --rounds n            default 3
  --seconds n           of each measurement, default 4
  --alone               ours only: what a request costs, twice as quick
  --growth a,b          ours only, on event stores that hold so many events from the start
  --workers n, --pool n how the shop without events is spread: processes, and connections to Postgres of each
  --profile <folder>    ours only, with a CPU profile of each of its processes
  --json, --markdown    instead of a table for people`

export type Options = {
  readonly rows: readonly Row[]
  readonly connections: readonly number[]
  readonly rounds: number
  readonly seconds: number
  readonly alone: boolean
  /** Events in the store at the start; empty: the shop is held against the one without events. */
  readonly growth: readonly number[]
  readonly profile: string | undefined
  readonly workers: number | undefined
  readonly pool: number | undefined
  readonly format: Format
}

/** Those of the command line. Prints them and ends the process where it is asked to. */
export const readOptions = (): Options => {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    options: {
      ...{ rows: text, connections: text, rounds: text, seconds: text, growth: text, workers: text, pool: text, profile: text },
      ...{ quick: flag, alone: flag, json: flag, markdown: flag, help: flag },
    },
  })
  if (values.help) {
    console.log(usage)
    process.exit()
  }
  const { quick, rows, profile } = values
  const growth = numbers('growth', values.growth ?? '')
  return {
    rows: rows === undefined && growth.length > 0 ? growthRows() : rowsOf(rows ?? (quick ? quickRows : allRows)),
    connections: numbers('connections', values.connections ?? (quick || growth.length > 0 ? '64' : '1,16,64,256')),
    rounds: number('rounds', values.rounds) ?? (quick ? 2 : 3),
    seconds: number('seconds', values.seconds) ?? (quick ? 2 : 4),
    alone: values.alone || profile !== undefined,
    growth,
    profile,
    workers: number('workers', values.workers),
    pool: number('pool', values.pool),
    format: values.json ? 'json' : values.markdown ? 'markdown' : 'text',
  }
}

const numbers = (name: string, text: string): readonly number[] =>
  text.split(',').flatMap((part) => (part === '' ? [] : [number(name, part)!]))

const number = (name: string, text: string | undefined): number | undefined => {
  const value = Number(text ?? 1)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be whole numbers from 1 on (it is ${text})`)
  return text === undefined ? undefined : value
}
