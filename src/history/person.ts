import { isSecret } from '../domain/catalogue.js'
import type { OrderId, UserId } from '../domain/ids.js'
import type { Store } from '../eventstore/store.js'
import { type HistoryEvent, historyEvent } from './engine/event.js'
import { type Streams, wholeStream, withStreams } from './engine/stream.js'

/** All events of one stream that are about a person. */
export type Kept = { readonly stream: string; readonly events: readonly HistoryEvent[] }

/**
 * All that the history holds of a person, stream by stream, each oldest first: the account, its e-mails' claims, the cart, every order that
 * was placed or only asked for, and what they looked at of others. Of what is secret (a password's hash) that it is there, and nothing
 * more. The products' streams name orders, not people. Throws `StoreUnavailable`.
 */
export const personData = (
  store: Pick<Store, 'url' | 'read'>,
  userId: UserId,
  orderIds: readonly OrderId[],
): Promise<readonly Kept[]> =>
  withStreams(store, async (streams) => {
    const account = await kept(streams, `user-${userId}`)
    const claims = new Set(account.events.flatMap(({ data }) => (typeof data.login === 'string' ? [`login-${data.login}`] : [])))
    const found = [account]
    for (const stream of claims) found.push(ofUser(await kept(streams, stream), userId))
    const others = [`cart-${userId}`, ...orderIds.map((orderId) => `order-${orderId}`), `disclosure-${userId}`]
    for (const stream of others) found.push(await kept(streams, stream))
    return found.filter(({ events }) => events.length > 0)
  })

const kept = async (streams: Streams, stream: string): Promise<Kept> => {
  const recorded = await wholeStream(streams, stream)
  return { stream, events: recorded.map((event) => historyEvent(event, true)).map(withoutSecrets) }
}

const withoutSecrets = (event: HistoryEvent): HistoryEvent =>
  isSecret(event.type)
    ? { ...event, data: Object.fromEntries(Object.entries(event.data).filter(([name]) => name !== 'hash')) }
    : event

/** An e-mail may have been another's before, or be since. */
const ofUser = ({ stream, events }: Kept, userId: UserId): Kept => ({
  stream,
  events: events.filter(({ data }) => data.userId === userId),
})
