import { Unavailable } from './errors.js'

/** What can be asked of the process at the other end: each name with the function that answers it there. */
export type Calls = { readonly [name: string]: (argument: never) => unknown }

/** The other end of a channel between two processes of one shop. */
export type Peer<Theirs extends Calls> = {
  /** Rejects with what was thrown there, or with `PeerGone`. */
  readonly call: <Name extends keyof Theirs & string>(
    name: Name,
    argument: Parameters<Theirs[Name]>[0],
  ) => Promise<Awaited<ReturnType<Theirs[Name]>>>
}

/** The process at the other end has ended, or the channel to it is closed: what was asked of it has no answer. */
export class PeerGone extends Unavailable {
  override readonly name = 'PeerGone'
}

/** Of `process`, or of a forked child, where messages are serialised by structured clone (`serialization: 'advanced'`). */
export type Channel = {
  send?(message: unknown, callback?: (error: Error | null) => void): unknown
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
}

type Message =
  | { readonly peer: 'call'; readonly id: number; readonly name: string; readonly argument: unknown }
  | { readonly peer: 'answer'; readonly id: number; readonly value?: unknown; readonly error?: unknown }

type Waiting = { readonly resolve: (value: never) => void; readonly reject: (error: unknown) => void }

/** Answers what the other end asks with `own`, and asks it. Messages of others on the same channel are left alone. */
export const createPeer = <Theirs extends Calls>(channel: Channel, own: Calls): Peer<Theirs> => {
  const waiting = new Map<number, Waiting>()
  let gone = false
  let last = 0

  const send = (message: Message, onError: (error: Error) => void): void => {
    if (gone || !channel.send) onError(new PeerGone('the other process has gone'))
    else channel.send(message, (error) => error && onError(new PeerGone('the other process has gone', { cause: error })))
  }

  const answer = async ({ id, name, argument }: Message & { readonly peer: 'call' }): Promise<void> => {
    const reply = await settle(own[name], name, argument)
    // Nobody is there to be told when whoever asked has gone.
    send({ peer: 'answer', id, ...reply }, () => undefined)
  }

  const settled = ({ id, value, error }: Message & { readonly peer: 'answer' }): void => {
    const asked = waiting.get(id)
    waiting.delete(id)
    if (error !== undefined) asked?.reject(error)
    else asked?.resolve(value as never)
  }

  channel.on('message', (message) => {
    if (!isOurs(message)) return
    if (message.peer === 'call') void answer(message)
    else settled(message)
  })
  channel.on('disconnect', () => {
    gone = true
    for (const { reject } of waiting.values()) reject(new PeerGone('the other process has gone'))
    waiting.clear()
  })

  return {
    call: (name, argument) =>
      new Promise((resolve, reject) => {
        const id = ++last
        waiting.set(id, { resolve, reject })
        send({ peer: 'call', id, name, argument }, (error) => {
          waiting.delete(id)
          reject(error)
        })
      }),
  }
}

const isOurs = (message: unknown): message is Message => typeof message === 'object' && message !== null && 'peer' in message

const settle = async (work: Calls[string] | undefined, name: string, argument: unknown) => {
  try {
    if (!work) throw new Error(`there is nothing called ${name} here`)
    return { value: await work(argument as never) }
  } catch (error) {
    return { error: error ?? new Error(`${name} failed`) }
  }
}
