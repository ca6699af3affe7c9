import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

export type CutProxy = {
  readonly port: number
  /**
   * What was asked still arrives; of what is answered from now on nothing does; and after so many milliseconds all connections are cut.
   * So somebody has sent, and never learns what became of it.
   */
  readonly cut: (milliseconds: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** A TCP proxy on the loopback; `to` may be a port that nobody listens on yet. */
export const startProxy = async (to: number): Promise<CutProxy> => {
  const pairs = new Set<readonly [Socket, Socket]>()
  let deaf = false
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1')
    const pair = [client, upstream] as const
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of pair) {
      socket.setNoDelay(true)
      // Of either side's troubles the other one hears by being cut off.
      socket.on('error', end)
      socket.on('close', end)
    }
    client.on('data', (chunk) => {
      if (!upstream.write(chunk)) client.pause()
    })
    upstream.on('drain', () => client.resume())
    upstream.on('data', (chunk) => {
      if (!deaf && !client.write(chunk)) upstream.pause()
    })
    client.on('drain', () => upstream.resume())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cutAll = () => {
    for (const [client, upstream] of pairs) {
      client.destroy()
      upstream.destroy()
    }
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut: async (milliseconds) => {
      deaf = true
      await new Promise((resolve) => setTimeout(resolve, milliseconds))
      cutAll()
      deaf = false
    },
    close: async () => {
      cutAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
