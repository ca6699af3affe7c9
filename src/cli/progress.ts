import { SingleBar } from 'cli-progress'
import type { Progress as RebuildProgress } from '../projections/rebuild/rebuild.js'

/** `done`: from 0 to 1. */
type Progress = Pick<RebuildProgress, 'events' | 'done'> & { readonly phase: RebuildProgress['phase'] | 'writing' }

/** Shows the progress of reading the history on the standard error: a bar at a terminal, else a line every few seconds, JSON if asked. */
export const createProgress = (json: boolean) => (process.stderr.isTTY && !json ? bar() : lines(json))

const words: { readonly [phase in Progress['phase']]: string } = {
  reading: 'reading the history',
  indexing: 'indexing',
  joining: 'meeting the checkpoint',
  comparing: 'comparing',
  writing: 'writing the files',
}

const bar = () => {
  const single = new SingleBar({
    format: '{phase} [{bar}] {percentage}% | {events} events | {rate}/s | {left}',
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
      const { events, rate, left } = measure(progress)
      if (!started) single.start(1_000, 0, { phase: words[phase], events, rate, left })
      started = true
      single.update(Math.floor(done * 1_000), { phase: words[phase], events, rate, left })
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
      const { events, rate, left } = measured
      const percent = Math.floor(progress.done * 100)
      process.stderr.write(
        json
          ? `${JSON.stringify({ phase, events, rate, done: progress.done })}\n`
          : `${words[phase]}: ${percent}%, ${events} events, ${rate}/s, ${left}\n`,
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

/** Events so far, events a second, and how long the rest will take at that rate. */
const createMeasure = () => {
  const began = performance.now()
  let events = 0
  let before = 0
  return (progress: Progress) => {
    // A reading that begins anew counts anew; what was read stays read.
    if (progress.phase === 'reading') {
      if (progress.events < before) before = 0
      events += progress.events - before
      before = progress.events
    }
    const seconds = (performance.now() - began) / 1_000
    const rest = progress.done > 0 ? (seconds / progress.done) * (1 - progress.done) : Number.NaN
    return {
      events,
      rate: Math.round(events / Math.max(seconds, 0.001)),
      left: Number.isNaN(rest) ? '' : `${Math.ceil(rest)} s left`,
    }
  }
}
