import { readdirSync, readFileSync } from 'node:fs'

/**
 * Seconds of CPU that a process and all its descendants have used, without those of `except` (Linux); 0 elsewhere. A backend that has
 * ended is counted with its parent.
 */
export const cpuSeconds = (pid: number, except: readonly number[] = []): number =>
  familyOf(pid, except).reduce((sum, { ticks }) => sum + ticks, 0) / 100

/** Bytes of memory that they hold at one moment (Linux); 0 elsewhere. */
export const residentBytes = (pid: number, except: readonly number[] = []): number =>
  familyOf(pid, except).reduce((sum, { pages }) => sum + pages, 0) * 4_096

const familyOf = (pid: number, except: readonly number[]) => {
  const processes = stats().filter((each) => !except.includes(each.pid))
  const family = new Set([pid])
  for (let grown = true; grown; ) {
    grown = false
    for (const each of processes) {
      if (family.has(each.parent) && !family.has(each.pid)) {
        family.add(each.pid)
        grown = true
      }
    }
  }
  return processes.filter((each) => family.has(each.pid))
}

const stats = () =>
  entries().flatMap((pid) => {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
        .map(Number)
      return [{ pid, parent: fields[1]!, ticks: fields[11]! + fields[12]! + fields[13]! + fields[14]!, pages: fields[21]! }]
    } catch (error) {
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
      throw error
    }
  })

const entries = (): number[] => {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}
