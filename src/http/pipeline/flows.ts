import type { Readable } from 'node:stream'
import type { UserId } from '../../domain/ids.js'
import type { Sessions } from '../../queries/sessions.js'
import { type Caller, isCurrent } from './auth.js'
import { Refusal } from './errors.js'

/** Milliseconds between two looks at a reader's token. */
const lookAgain = 1_000

/** Keeps a stream that a reader was let in to. Throws `Refusal` 429, with the stream closed, where they have so many open. */
export type Flows = (flow: Readable, caller: Caller) => Readable

/**
 * A stream outlives its request's check: it ends when its reader's token does, and when `ending` aborts. `most`: that a user may have open
 * in this process.
 */
export const createFlows = (sessions: Sessions, most: number, ending: AbortSignal | undefined): Flows => {
  const open = new Set<Readable>()
  const byUser = new Map<UserId, number>()
  ending?.addEventListener('abort', () => open.forEach((flow) => void flow.destroy()), { once: true })
  return (flow, caller) => {
    const { userId } = caller
    const before = byUser.get(userId) ?? 0
    if (before >= most) {
      flow.destroy()
      throw new Refusal(429, `you read ${most} streams already; end one of them`, { headers: { 'Retry-After': '1' } })
    }
    byUser.set(userId, before + 1)
    const looking = setInterval(() => isCurrent(caller, sessions) || flow.destroy(), lookAgain)
    open.add(flow)
    flow.once('close', () => {
      clearInterval(looking)
      open.delete(flow)
      const left = byUser.get(userId)! - 1
      if (left > 0) byUser.set(userId, left)
      else byUser.delete(userId)
    })
    if (ending?.aborted) flow.destroy()
    return flow
  }
}
