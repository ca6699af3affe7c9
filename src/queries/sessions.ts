import type { UserId } from '../domain/ids.js'
import type { Role } from '../domain/user.js'
import { NotReady } from './engine/read.js'

/** What a user's tokens must agree with. The epoch rises with a new password, a role or an erasure, so one epoch has one role. */
export type Session = { readonly role: Role; readonly epoch: number }

/** Who is who, in this process: fed by the shared subscription, so that a token ended at one instance ends at all. */
export type Sessions = {
  readonly of: (userId: UserId) => Session | undefined
  /** Takes what this process itself has just written or read, ahead of the subscription. */
  readonly raise: (userId: UserId, session: Session) => void
  /**
   * Whether what is known here is at most two seconds old, or becomes so within the milliseconds (it does right after a start): else
   * nobody's role can be relied on.
   */
  readonly current: (milliseconds: number) => Promise<boolean>
  /** Waits until every event up to the commit position is known; `false` where that takes longer than the milliseconds. */
  readonly reached: (position: bigint, milliseconds: number) => Promise<boolean>
  /** Passes on every event that comes from now on, whatever it is about, to others who have to know what happens elsewhere. */
  readonly tell: (listener: (events: readonly Event[]) => void) => void
  readonly close: () => Promise<void>
}

type Position = { readonly commit: bigint; readonly prepare: bigint }

type Event = {
  readonly type: string
  readonly streamId: string
  readonly data: unknown
  readonly metadata?: { readonly commandId?: string; readonly requestHash?: string }
  readonly position: bigint
}

export type SessionSources = {
  /** All users, and the commit position that they are of; −1: nothing has been projected yet. Throws `NotReady` where they can't be read. */
  readonly load: () => Promise<{ readonly value: readonly (Session & { readonly userId: UserId })[]; readonly position: bigint }>
  /** The shared subscription. */
  readonly feed: {
    readonly follow: (follower: {
      readonly after: Position | undefined
      readonly signal: AbortSignal
      readonly onBatch: (events: readonly Event[]) => void
    }) => Promise<void>
    readonly healthy: (milliseconds: number) => boolean
    readonly head: () => Position | undefined
  }
  /** Told when the following ends with an error: the process can't go on without it. */
  readonly onFailure: (error: unknown) => void
}

const stale = 2_000

/** Loads the users and follows what happens to them from there. */
export const createSessions = async ({ load, feed, onFailure }: SessionSources): Promise<Sessions> => {
  const sessions = new Map<UserId, Session>()
  const raised = new Map<UserId, Session>()
  const stopping = new AbortController()
  const listeners: ((events: readonly Event[]) => void)[] = []
  let waiting: { readonly position: bigint; readonly resolve: (reached: boolean) => void }[] = []

  const loaded = await loadOrNobody(load)
  for (const { userId, role, epoch } of loaded.value) sessions.set(userId, shared(role, epoch))
  let position = loaded.position
  let caughtUp = false

  const onBatch = (events: readonly Event[]): void => {
    for (const listener of listeners) listener(events)
    for (const event of events) {
      apply(sessions, raised, event)
      position = event.position
    }
    if (waiting.length === 0) return
    for (const waiter of waiting) if (waiter.position <= position) waiter.resolve(true)
    waiting = waiting.filter((waiter) => waiter.position > position)
  }

  const isCurrent = (): boolean => {
    caughtUp ||= position >= (feed.head()?.commit ?? -1n)
    return caughtUp && feed.healthy(stale)
  }

  const after = position < 0n ? undefined : { commit: position, prepare: position }
  const following = feed.follow({ after, signal: stopping.signal, onBatch }).catch(onFailure)

  return {
    of: (userId) => newer(sessions.get(userId), raised.get(userId)),
    raise: (userId, { role, epoch }) => {
      if (epoch > (sessions.get(userId)?.epoch ?? 0)) raised.set(userId, shared(role, epoch))
    },
    current: async (milliseconds) => {
      const until = performance.now() + milliseconds
      while (!isCurrent()) {
        if (performance.now() >= until) return false
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      return true
    },
    reached: (wanted, milliseconds) => {
      if (wanted <= position) return Promise.resolve(true)
      return new Promise((resolve) => {
        const waiter = { position: wanted, resolve }
        const timer = setTimeout(() => {
          waiting = waiting.filter((other) => other !== waiter)
          resolve(false)
        }, milliseconds)
        waiter.resolve = (reached) => {
          clearTimeout(timer)
          resolve(reached)
        }
        waiting.push(waiter)
      })
    },
    tell: (listener) => void listeners.push(listener),
    close: async () => {
      stopping.abort()
      await following
    },
  }
}

/** Where the users' rows can't be read (yet), the history tells the same, from its start. */
const loadOrNobody = async (load: SessionSources['load']): ReturnType<SessionSources['load']> => {
  try {
    return await load()
  } catch (error) {
    if (error instanceof NotReady) return { value: [], position: -1n }
    throw error
  }
}

const newer = (fed: Session | undefined, own: Session | undefined): Session | undefined =>
  !fed || (own && own.epoch > fed.epoch) ? own : fed

const apply = (sessions: Map<UserId, Session>, raised: Map<UserId, Session>, { type, streamId, data }: Event): void => {
  if (type !== 'PasswordSet' && type !== 'RoleGranted' && type !== 'UserErased') return
  if (!streamId.startsWith('user-')) return
  const { userId, role } = data as { userId: UserId; role?: Role }
  const before = sessions.get(userId) ?? { role: 'customer', epoch: 0 }
  const after = shared(role ?? before.role, before.epoch + 1)
  sessions.set(userId, after)
  if ((raised.get(userId)?.epoch ?? 0) <= after.epoch) raised.delete(userId)
}

const known = new Map<string, Session>()

/** Millions of users have few different sessions: one object for each. */
const shared = (role: Role, epoch: number): Session => {
  const key = `${role} ${epoch}`
  const session = known.get(key) ?? { role, epoch }
  known.set(key, session)
  return session
}
