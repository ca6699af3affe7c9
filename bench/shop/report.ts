import { cpus, release, totalmem } from 'node:os'
import type { Measured } from './measure.js'
import type { Usage } from './processes.js'

/** A row at so many connections. */
export type Result = {
  readonly row: string
  readonly connections: number
  readonly ours: Measured
  readonly plain?: Measured
  /** Ours beside the other: the median of what followed one another. */
  readonly ratio?: number
  /** The row that it is held against, of each shop its own. */
  readonly against?: string
}

export type Format = 'text' | 'json' | 'markdown'

export const machine = (): string =>
  `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}, ${process.platform} ${release()}`

/** `other`: what ours are held against. */
type About = { readonly format: Format; readonly machine: string; readonly other: string }

const headOf = (other: string): readonly string[] => {
  const both = (what: string) => [`${what} ${other}`, 'ours']
  return ['route', 'at once', `${other}, /s`, 'ours, /s', 'ratio', ...both('p50'), ...both('p99'), ...both('CPU')]
}

export const show = (results: readonly Result[], { format, machine, other }: About): void => {
  if (format === 'json') {
    console.log(JSON.stringify({ machine, results }, null, 2))
    return
  }
  const table = [headOf(other), ...results.map(cellsOf)]
  console.log(format === 'markdown' ? markdown(table) : text(table))
  console.log(`\nCPU: microseconds of a request, app + event store + Postgres. p50 and p99: milliseconds. ${machine}`)
  console.log(memoryOf(results))
  console.log(
    `The load cost ${Math.round(Math.max(...results.map(({ ours }) => ours.load)))} µs of CPU for a request at most, of the same cores.`,
  )
  for (const line of [...results.flatMap((one) => heldAgainst(one, results)), ...results.flatMap(failures)]) console.log(line)
}

export const hasFailed = (results: readonly Result[]): boolean =>
  results.some(({ ours, plain }) => [ours, plain].some((one) => one && Object.keys(one.others).length > 0))

const heldAgainst = ({ row, against, ours, plain }: Result, results: readonly Result[]): readonly string[] => {
  const spread = results.find((one) => one.row === against)
  if (!spread) return []
  const share = (one: Measured | undefined, of: Measured | undefined) => (one && of ? (one.rate / of.rate).toFixed(2) : '-')
  return [`${row}, beside ${against}: ours ${share(ours, spread.ours)}, plain ${share(plain, spread.plain)}`]
}

const cellsOf = ({ row, connections, ours, plain, ratio }: Result): readonly string[] => [
  row,
  String(connections),
  rate(plain),
  rate(ours),
  ratio === undefined ? '' : ratio.toFixed(2),
  ms(plain?.p50),
  ms(ours.p50),
  ms(plain?.p99),
  ms(ours.p99),
  plain ? cpu(plain.cpu) : '',
  cpu(ours.cpu),
]

const rate = (one: Measured | undefined): string => (one ? Math.round(one.rate).toLocaleString('en') : '')
const ms = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(1))
const cpu = ({ app, 'event store': store, Postgres }: Usage): string =>
  [app, ...(store > 0 ? [store] : []), ...(Postgres > 0 ? [Postgres] : [])].map((one) => Math.round(one)).join(' + ')

type Table = readonly (readonly string[])[]

const markdown = ([head = [], ...lines]: Table): string => {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = line(head.map((_, i) => (i === 0 ? '---' : '--:')))
  return [line(head), rule, ...lines.map(line)].join('\n')
}

const text = (table: Table): string => {
  const widths = table[0]!.map((_, i) => Math.max(...table.map((cells) => cells[i]!.length)))
  const padded = (cell: string, i: number) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))
  return table.map((cells) => cells.map(padded).join('  ')).join('\n')
}

const memoryOf = (results: readonly Result[]): string => {
  const most = (shop: 'ours' | 'plain'): string => {
    const parts = ['app', 'event store', 'Postgres'] as const
    const highest = parts.map((part) => Math.max(...results.map((one) => one[shop]?.memory[part] ?? 0)))
    return parts.flatMap((part, i) => (highest[i]! > 0 ? [`${part} ${Math.round(highest[i]! / 1e6)} MB`] : [])).join(', ')
  }
  const plain = most('plain')
  return `Memory after the hardest row: ours ${most('ours')}${plain && `; plain ${plain}`}`
}

const failures = ({ row, connections, ours, plain }: Result): readonly string[] =>
  Object.entries({ ours, plain }).flatMap(([shop, one]) => {
    const others = Object.entries(one?.others ?? {}).map(([status, count]) => `${count} × ${status}`)
    const failed =
      others.length > 0 ? [`FAILED: ${row} at ${connections}, ${shop}: ${others.join(', ')} (0: the connection broke)`] : []
    return one && one.stale > 0
      ? [...failed, `${row} at ${connections}, ${shop}: ${one.stale} answers with a warning that they may be old`]
      : failed
  })
