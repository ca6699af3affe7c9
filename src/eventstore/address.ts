import { access, constants } from 'node:fs/promises'
import { parseConnectionString } from '@eventstore/db-client/dist/Client/parseConnectionString.js'
import { ConfigError } from '../platform/config.js'

/** What an address may say behind its `?`. */
const options = [
  ...['tls', 'tlsCAFile', 'userCertFile', 'userKeyFile', 'nodePreference', 'keepAliveInterval', 'keepAliveTimeout'],
  ...['maxDiscoverAttempts', 'discoveryInterval', 'gossipTimeout', 'connectionName', 'defaultDeadline', 'throwOnAppendFailure'],
] as const

const flat = (key: string): string => key.trim().toLowerCase().replace(/[_-]/g, '')

const known = new Set<string>(options.map(flat))

const form = /^(?<scheme>[^:]+:\/\/)(?:(?<credentials>[^@]*)@)?(?<hosts>[^?]*)(?:\?(?<query>.*))?$/s

/**
 * That the address can be used, before the client sees it: what the client does not understand, it prints whole, with the password. Throws
 * `ConfigError`, which shows nothing of user and password.
 */
export const assertAddress = async (url: string): Promise<void> => {
  const { credentials, hosts = '', query = '' } = form.exec(url.trim())?.groups ?? {}
  if (hosts.includes('@') || (credentials !== undefined && !/^[^:/?#]+:[^:/?#]+$/.test(credentials))) {
    throw wrong(
      'user and password are written user:password@host, with @ as %40, : as %3A, / as %2F, ? as %3F and # as %23 where they hold one',
    )
  }
  for (const [key = '', value] of query.split('&').map((pair) => pair.split('='))) {
    if (flat(key) === 'tlsverifycert' && value !== 'true')
      throw wrong('certificates are always verified: tlsCAFile=<file> names that of the authority, instead of tlsVerifyCert')
    if (key !== '' && flat(key) !== 'tlsverifycert' && !known.has(flat(key)))
      throw wrong(`"${key}" is no option of an address; there are ${options.join(', ')}`)
  }
  const { tls, tlsCAFile, userCertFile, userKeyFile } = parsed(url)
  if ((userCertFile === undefined) !== (userKeyFile === undefined)) throw wrong('userCertFile and userKeyFile are given together')
  if (tls === false) return
  for (const [option, file] of Object.entries({ tlsCAFile, userCertFile, userKeyFile })) {
    if (file === undefined) continue
    await access(file, constants.R_OK).catch((error: NodeJS.ErrnoException) => {
      throw wrong(`${option} ${file} can't be read (${error.code}): name a file that is there, in PEM`)
    })
  }
}

const wrong = (what: string): ConfigError => new ConfigError(`EVENTSTORE_URL: ${what}`)

/** The client's own error quotes what it did not expect, which may be part of a password. */
const parsed = (url: string): ReturnType<typeof parseConnectionString> => {
  try {
    return parseConnectionString(url)
  } catch (error) {
    const { location, expected } = error as { location?: readonly [number, number]; expected?: string }
    throw wrong(
      location ? `${expected} is expected at character ${location[0] + 1}` : 'a % in it begins no percent-encoded character',
    )
  }
}
