import type { Socket } from 'node:net'
import { networkOf, plain, trustIn } from './addresses.js'

/** How many connections may be open at once. */
export type ConnectionLimits = {
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  /** Proxies of ours come with the connections of many, and are not counted by address. */
  readonly trustedProxies: readonly string[]
}

/**
 * Counts connections. A connection too many is answered and ended, and `undefined` is what is returned; for one that may stay, what to
 * call once it is closed.
 */
export const createDoor = ({ maxConnections, maxConnectionsPerAddress, trustedProxies }: ConnectionLimits) => {
  const trusts = trustIn(trustedProxies)
  const byAddress = new Map<string, number>()
  let all = 0

  return (socket: Socket): (() => void) | undefined => {
    const peer = plain(socket.remoteAddress ?? '')
    const address = trusts(peer) ? undefined : networkOf(peer)
    if (all >= maxConnections)
      return turnAway(socket, '503 Service Unavailable', 'too many connections are open; try again in a moment')
    const ofAddress = address === undefined ? 0 : (byAddress.get(address) ?? 0)
    if (ofAddress >= maxConnectionsPerAddress)
      return turnAway(socket, '429 Too Many Requests', 'too many connections of this address are open; use those again')
    all++
    if (address !== undefined) byAddress.set(address, ofAddress + 1)
    let isIn = true
    return () => {
      if (!isIn) return
      isIn = false
      all--
      if (address === undefined) return
      const left = byAddress.get(address)! - 1
      if (left > 0) byAddress.set(address, left)
      else byAddress.delete(address)
    }
  }
}

/** Milliseconds that who is turned away has to read why. */
const farewell = 1_000

/** Ends a connection with an answer that no route gives; `status` is the whole of the status line. */
export const turnAway = (socket: Pick<Socket, 'end' | 'destroy'>, status: string, message: string): undefined => {
  const body = JSON.stringify({ msg: message })
  const retry = /^(429|503)/.test(status) ? 'Retry-After: 1\r\n' : ''
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\n${retry}Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  // One that reads nothing, or says nothing more, would stay.
  setTimeout(() => socket.destroy(), farewell).unref()
  return undefined
}
