import { SingleBar } from 'cli-progress'
import type { Progress as RebuildProgress } from '../projections/rebuild/rebuild.js'

/** `done`: from 0 to 1; `from`: what an earlier run had done already. */
type Progress = Pick<RebuildProgress, 'events' | 'done'> & {
  readonly phase: RebuildProgress['phase'] | 'writing' | 'copying'
  readonly from?: Pick<RebuildProgress, 'events' | 'done'> | undefined
}

/** Shows the progress of reading the history on the standard error: a bar at a terminal, else a line every few seconds, JSON if asked. */
export const createProgress = (json: boolean) => (process.stderr.isTTY && !json ? bar() : lines(json))

const words: { readonly [phase in Progress['phase']]: string } = {
  reading: 'reading the history',
  indexing: 'indexing',
  joining: 'meeting the checkpoint',
  comparing: 'comparing',
  writing: 'writing the files',
  copying: 'copying the history',
}

const bar = () => {
  const single = new SingleBar({
    format: '{phase} [{bar}] {percentage}%{figures}',
    stream: process.stderr,
    hideCursor: true,
    noTTYOutput: false,
    etaBuffer: 100,
  })
  const measure = createMeasure()
  let started = false
  return {
    show: (progress: Progress): void => {
      const { phase, done } = progress
      const shown = { phase: words[phase], figures: figuresOf(phase, measure(progress)) }
      if (!started) single.start(1_000, 0, shown)
      started = true
      single.update(Math.floor(done * 1_000), shown)
    },
    end: (): void => {
      if (started) single.stop()
      started = false
    },
  }
}

const everyMilliseconds = 2_000

const lines = (json: boolean) => {
  const measure = createMeasure()
  let last = Number.NEGATIVE_INFINITY
  let phase: Progress['phase'] | undefined
  return {
    show: (progress: Progress): void => {
      const measured = measure(progress)
      const now = performance.now()
      if (progress.phase === phase && (progress.phase !== 'reading' || now - last < everyMilliseconds)) return
      last = now
      phase = progress.phase
      const { events, rate } = measured
      process.stderr.write(
        json ? `${JSON.stringify({ phase, events, rate, done: progress.done })}\n` : `${lineOf(progress, measured)}\n`,
      )
    },
    end: (): void => undefined,
  }
}

/** Tells now and then how many there are by now, in work of which nobody knows how much it is. */
export const createTicker = (what: string) => {
  let last = performance.now()
  return (count: number): void => {
    const now = performance.now()
    if (now - last < everyMilliseconds) return
    last = now
    process.stderr.write(`${count} ${what}\n`)
  }
}

type Measured = { readonly events: number; readonly seconds: number; readonly rate: number; readonly left: number | undefined }

/** What a line tells of a rebuild: figures only of the reading, the one phase that they are about. */
export const lineOf = ({ phase, done }: Progress, measured: Measured): string =>
  phase === 'reading' ? `${words[phase]}: ${Math.floor(done * 100)}%${figuresOf(phase, measured)}` : words[phase]

const figuresOf = (phase: Progress['phase'], { events, seconds, rate, left }: Measured): string => {
  if (phase !== 'reading') return ''
  const counted = `, ${events} event${events === 1 ? '' : 's'}`
  // Of the first moments nothing follows for the rest.
  if (seconds < 2) return counted
  return `${counted}, ${rate}/s${left === undefined ? '' : `, ${left} s left`}`
}

/** Events so far, events a second, and the seconds that the rest will take at that rate; `clock` in milliseconds. */
export const createMeasure = (clock: () => number = () => performance.now()) => {
  const began = clock()
  let events = 0
  let before = 0
  return ({ phase, events: read, done, from = { events: 0, done: 0 } }: Progress): Measured => {
    // A reading that begins anew counts anew; what was read stays read.
    if (phase === 'reading') {
      if (read < before) before = 0
      events += read - before
      before = read
    }
    const seconds = (clock() - began) / 1_000
    // From less than a hundredth of the way the rest would be guessed.
    const own = done - from.done
    const left = own < 0.01 ? undefined : Math.ceil((seconds / own) * (1 - done))
    return { events, seconds, rate: Math.round((events - from.events) / Math.max(seconds, 0.001)), left }
  }
}
