import { connect } from 'node:tls'
import { parseConnectionString } from '@eventstore/db-client/dist/Client/parseConnectionString.js'
import { type Connection, type Endpoint, openSession } from './grpc.js'
import { StoreUnavailable } from './store.js'

/** Milliseconds for one host: what does not answer by then is away, or speaks something else. */
const patience = 1_000

/**
 * The error, with what the connection lacks where it doesn't say so: a server of TLS only drops a connection that is plain, and where a
 * leader is looked for among several hosts, why none of them was reached is not told. Both look like a store that is away.
 */
export const withTlsGuess = async (url: string, error: unknown): Promise<unknown> => {
  if (!(error instanceof StoreUnavailable) || error.missing !== undefined) return error
  const connection = parseConnectionString(url)
  const lacks = connection.tls === false ? lacksTls : (host: Endpoint) => refusedBy(connection, host)
  const [missing] = (await Promise.all(connection.hosts.map(lacks))).filter((found) => found !== undefined)
  return missing === undefined ? error : new StoreUnavailable(error.message, { cause: error, missing })
}

const lacksTls = async ({ address, port }: Endpoint): Promise<string | undefined> =>
  (await speaksTls(address, port)) ? 'it seems to speak TLS alone: perhaps tls=false in the address is wrong' : undefined

const refusedBy = async (connection: Connection, host: Endpoint): Promise<string | undefined> => {
  try {
    const session = await openSession(connection, host, patience)
    session.destroy()
    return undefined
  } catch (error) {
    return error instanceof StoreUnavailable ? error.missing : undefined
  }
}

const speaksTls = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    // Nothing is told to whoever answers, so it need not be trusted.
    const socket = connect({ host, port, rejectUnauthorized: false, timeout: patience })
    const end = (speaks: boolean) => () => {
      socket.destroy()
      resolve(speaks)
    }
    socket.once('secureConnect', end(true)).once('error', end(false)).once('timeout', end(false)).once('close', end(false))
  })
