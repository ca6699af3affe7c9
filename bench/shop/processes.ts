import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** What a process is in a shop. */
export type Part = 'app' | 'event store' | 'Postgres'

export type Usage = { readonly [part in Part]: number }

type Process = { readonly pid: number; readonly parent: number; readonly ticks: number }

const ticksPerSecond = 100

/** Seconds of CPU that a process and its descendants have used, by part (Linux). A Postgres backend that has ended is counted with its parent. */
export const cpuByPart = (pids: readonly number[]): Usage => {
  const sums = { app: 0, 'event store': 0, Postgres: 0 }
  for (const { pid, ticks } of familyOf(pids)) sums[partOf(pid)] += ticks / ticksPerSecond
  return sums
}

/** Bytes of memory of each part at this moment: what is shared among processes is divided by them (PSS). */
export const memoryByPart = (pids: readonly number[]): Usage => {
  const sums = { app: 0, 'event store': 0, Postgres: 0 }
  for (const { pid } of familyOf(pids)) sums[partOf(pid)] += pssOf(pid)
  return sums
}

export const processesOf = (pids: readonly number[]): number => familyOf(pids).length

const familyOf = (pids: readonly number[]): readonly Process[] => {
  const processes = all()
  const family = new Set(pids)
  for (let grown = true; grown; ) {
    grown = false
    for (const { pid, parent } of processes) {
      if (!family.has(parent) || family.has(pid)) continue
      family.add(pid)
      grown = true
    }
  }
  return processes.filter(({ pid }) => family.has(pid))
}

const parts = new Map<number, Part>()

const partOf = (pid: number): Part => {
  const known = parts.get(pid)
  if (known) return known
  const program = read(() => readlinkSync(`/proc/${pid}/exe`)) ?? ''
  const command = read(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? ''
  const part = /\/postgres$/.test(program) ? 'Postgres' : /embedded\/eventstore\//.test(command) ? 'event store' : 'app'
  // A shell becomes another program in a moment.
  if (!/sh$|unshare$/.test(program)) parts.set(pid, part)
  return part
}

const pssOf = (pid: number): number => {
  const text = read(() => readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? ''
  return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1_024
}

const all = (): readonly Process[] =>
  readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    const stat = Number.isInteger(pid) ? read(() => readFileSync(`/proc/${pid}/stat`, 'utf8')) : undefined
    if (stat === undefined) return []
    const fields = stat
      .replace(/^.*\) /s, '')
      .split(' ')
      .map(Number)
    return [{ pid, parent: fields[1]!, ticks: fields[11]! + fields[12]! + fields[13]! + fields[14]! }]
  })

/** `undefined` where the process has ended, or may not be looked at. */
const read = (work: () => string): string | undefined => {
  try {
    return work()
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
