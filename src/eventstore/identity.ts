import { createHmac, randomUUID } from 'node:crypto'
import { type NewEvent, noStream, type Store, WrongRevision } from './store.js'
import { schemaOf } from './upcast.js'

/** The first stream of every store that the shop writes to. */
export const identityStream = 'tillroll-store'

export type StoreIdentity = { readonly storeId: string }

type StoreFounded = { readonly storeId: string; readonly emailKeyCheck: string; readonly at: string }

/** Behind a history that came from another store: this one's own id from here on. */
type StoreForked = StoreFounded & { readonly from: string }

/** The store belongs to another installation, or this one has lost its key. */
export class WrongEmailKey extends Error {
  override readonly name = 'WrongEmailKey'
}

/**
 * The store's random id, made when the store is first used. Checkpoints and progress records name it, so that one of another store,
 * or of one that was put back to an older state, is noticed. Throws `WrongEmailKey`: under another key, nobody could log in, and
 * every e-mail would seem free.
 */
export const storeIdentity = async (store: Store, emailKey: string): Promise<StoreIdentity> => {
  const founded = await founding(store)
  if (founded) return checked(founded, emailKey)
  const storeId = randomUUID()
  const data: StoreFounded = { storeId, emailKeyCheck: checkOf(storeId, emailKey), at: new Date().toISOString() }
  try {
    await store.append(
      identityStream,
      [{ id: randomUUID(), type: 'StoreFounded', data, metadata: { schema: schemaOf('StoreFounded'), actor: 'system' } }],
      noStream,
    )
    return { storeId }
  } catch (error) {
    const others = error instanceof WrongRevision ? await founding(store) : undefined
    if (!others) throw error
    return checked(others, emailKey)
  }
}

/** The newest: a fork's history begins with the founding of the store that it was forked from. */
const founding = async (store: Store): Promise<StoreFounded | undefined> =>
  (await store.read(identityStream, { maxCount: 1, direction: 'backwards' }))[0]?.data as StoreFounded | undefined

/**
 * The event that makes a copy of a history a store of its own; `founded`: the data of the newest event of the copy's identity stream. Throws
 * `WrongEmailKey` where `emailKey` is not the one that the history was founded with; `newEmailKey` is the copy's.
 */
export const forkedIdentity = (
  founded: unknown,
  emailKey: string,
  newEmailKey: string,
): NewEvent & { readonly storeId: string } => {
  const { storeId: from } = checked(founded as StoreFounded, emailKey)
  const storeId = randomUUID()
  const data: StoreForked = { storeId, emailKeyCheck: checkOf(storeId, newEmailKey), at: new Date().toISOString(), from }
  return { id: randomUUID(), type: 'StoreForked', data, metadata: { schema: schemaOf('StoreForked'), actor: 'system' }, storeId }
}

const checked = ({ storeId, emailKeyCheck }: StoreFounded, emailKey: string): StoreIdentity => {
  if (emailKeyCheck === checkOf(storeId, emailKey)) return { storeId }
  throw new WrongEmailKey(
    `EMAIL_KEY is not the key that this event store (${storeId}) was founded with: set the one it was founded with (kept in secrets.json of the data folder where the environment set none)`,
  )
}

const checkOf = (storeId: string, emailKey: string): string =>
  createHmac('sha256', emailKey).update(`${identityStream}:${storeId}`).digest('hex')
