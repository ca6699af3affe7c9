import { AccessDeniedError, CancelledError, UnknownError } from '@eventstore/db-client'
import { StoreUnavailable } from './store.js'

/** The client's error, or that of a connection, as the application knows it: with what is missing where waiting can't help. */
export const unavailable = (error: unknown): StoreUnavailable => {
  if (error instanceof StoreUnavailable) return error
  const message =
    error instanceof CancelledError
      ? 'the event store cancelled the call'
      : error instanceof Error
        ? error.message
        : String(error)
  const missing = missingOf(error, message)
  return new StoreUnavailable(message, {
    cause: error,
    // The embedded store's words; they are all that a client gets of a refused append.
    full: message.includes("the event store's disk is full"),
    ...(missing !== undefined && { missing }),
  })
}

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown } | undefined)?.code

const unauthenticated = 16
const permissionDenied = 7
const invalidArgument = 3
const unknown = 2

/** What the address lacks; `undefined` where the store is only away. */
const missingOf = (error: unknown, message: string): string | undefined => {
  const code = codeOf(error)
  if (code === unauthenticated) return 'it refuses the user or the password of the address'
  if (code === permissionDenied || error instanceof AccessDeniedError) {
    return (
      'it denies access: the address must name a user (esdb://user:password@host) who may read $all and read and write the streams; ' +
      'for who is neither admin nor ops, an administrator grants the right with the metadata {"$acl":{"$r":["$admins","<a group of the user>"]}} of the stream $all'
    )
  }
  if (untrusted.test(message)) {
    return `its certificate is not trusted (${untrusted.exec(message)![0]}): tlsCAFile=<file> in the address names the certificate of the authority that issued it`
  }
  if (notTls.test(message)) return 'it seems not to speak TLS: perhaps tls=false is missing in the address'
  if (isTls.test(message)) return 'it seems to speak TLS alone: perhaps tls=false in the address is wrong'
  return undefined
}

/** OpenSSL's words, which are all that comes through gRPC; and Node's of a name that is not the certificate's. */
const untrusted =
  /self[- ]signed certificate( in certificate chain)?|unable to (verify the first certificate|get (local )?issuer certificate)|certificate has expired|certificate is not yet valid|Hostname\/IP does not match certificate's altnames/i
const notTls = /wrong version number|packet length too long/
const isTls = /this node is served over TLS/

/** How a store refuses to read `$all` from inside a record: 24.10 names it; 23.10 says the same of a log that is damaged. */
export const isInsideRecord = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false
  const told = /ReadAllResult: (InvalidPosition|Error)$/.test(error.message)
  return told && (error instanceof UnknownError || error instanceof StoreUnavailable)
}

/**
 * Whether a subscription may have ended for that reason: 24.10 confirms it and ends it as an invalid argument, 23.10 ends it with an
 * unknown error. To be told for sure, the position is read.
 */
export const mayBeInsideRecord = (error: unknown): boolean => {
  const code = codeOf(error instanceof StoreUnavailable ? error.cause : error)
  return code === invalidArgument || code === unknown
}
