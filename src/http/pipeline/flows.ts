import type { Readable } from 'node:stream'
import type { Sessions } from '../../queries/sessions.js'
import { type Caller, isCurrent } from './auth.js'

/** Milliseconds between two looks at a reader's token. */
const lookAgain = 1_000

/** A stream outlives its request's check: it ends when its reader's token does, and when `ending` aborts. */
export const createFlows = (sessions: Sessions, ending: AbortSignal | undefined) => {
  const open = new Set<Readable>()
  ending?.addEventListener('abort', () => open.forEach((flow) => void flow.destroy()), { once: true })
  return (flow: Readable, caller: Caller): Readable => {
    const looking = setInterval(() => isCurrent(caller, sessions) || flow.destroy(), lookAgain)
    open.add(flow)
    flow.once('close', () => {
      clearInterval(looking)
      open.delete(flow)
    })
    if (ending?.aborted) flow.destroy()
    return flow
  }
}
