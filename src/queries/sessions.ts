import type { UserId } from '../domain/ids.js'
import type { Role } from '../domain/user.js'
import type { Feed } from '../eventstore/feed.js'
import type { RecordedEvent } from '../eventstore/store.js'
import { sleep } from '../platform/async.js'
import { createRising } from '../platform/waiters.js'
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
  readonly close: () => Promise<void>
}

type Event = Pick<RecordedEvent, 'type' | 'streamId' | 'data' | 'position'>

export type SessionSources = {
  /** All users, and the commit position that they are of; −1: nothing has been projected yet. Throws `NotReady` where they can't be read. */
  readonly load: () => Promise<{ readonly value: readonly (Session & { readonly userId: UserId })[]; readonly position: bigint }>
  /** The shared subscription. */
  readonly feed: Pick<Feed, 'follow' | 'healthy' | 'head'>
  /** Told when the following ends with an error: the process can't go on without it. */
  readonly onFailure: (error: unknown) => void
}

const stale = 2_000

/** Loads the users and follows what happens to them from there. */
export const createSessions = async ({ load, feed, onFailure }: SessionSources): Promise<Sessions> => {
  const sessions = new Map<UserId, Session>()
  const raised = new Map<UserId, Session>()
  const stopping = new AbortController()
  const loaded = await loadOrNobody(load)
  for (const { userId, role, epoch } of loaded.value) sessions.set(userId, intern(role, epoch))
  const known = createRising(loaded.position)
  let caughtUp = false

  const onBatch = (events: readonly Event[]): void => {
    for (const event of events) {
      apply(sessions, raised, event)
      known.raise(event.position)
    }
  }

  const isCurrent = (): boolean => {
    caughtUp ||= known.current() >= (feed.head()?.commit ?? -1n)
    return caughtUp && feed.healthy(stale)
  }

  const { position } = loaded
  const after = position < 0n ? undefined : { commit: position, prepare: position }
  const following = feed.follow({ after, signal: stopping.signal, onBatch }).catch(onFailure)

  return {
    of: (userId) => newer(sessions.get(userId), raised.get(userId)),
    raise: (userId, { role, epoch }) => {
      if (epoch > (sessions.get(userId)?.epoch ?? 0)) raised.set(userId, intern(role, epoch))
    },
    current: async (milliseconds) => {
      const until = performance.now() + milliseconds
      while (!isCurrent()) {
        if (performance.now() >= until) return false
        await sleep(20)
      }
      return true
    },
    reached: (wanted, milliseconds) => known.reaches(wanted, { milliseconds }),
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

/** What raises a user's epoch. */
const endsTokens: ReadonlySet<string> = new Set(['PasswordSet', 'RoleGranted', 'SignedOut', 'UserErased'])

const apply = (sessions: Map<UserId, Session>, raised: Map<UserId, Session>, { type, streamId, data }: Event): void => {
  if (!endsTokens.has(type)) return
  if (!streamId.startsWith('user-')) return
  const { userId, role } = data as { userId: UserId; role?: Role }
  const before = sessions.get(userId) ?? { role: 'customer', epoch: 0 }
  const after = intern(role ?? before.role, before.epoch + 1)
  sessions.set(userId, after)
  if ((raised.get(userId)?.epoch ?? 0) <= after.epoch) raised.delete(userId)
}

const interned = new Map<string, Session>()

/** Millions of users have few different sessions: one object for each. */
const intern = (role: Role, epoch: number): Session => {
  const key = `${role} ${epoch}`
  const session = interned.get(key) ?? { role, epoch }
  interned.set(key, session)
  return session
}
