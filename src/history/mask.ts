import { createHmac } from 'node:crypto'
import { catalogue, isSecret } from '../domain/catalogue.js'
import { normaliseEmail } from '../domain/email.js'
import { identityStream } from '../eventstore/identity.js'
import type { EventMetadata } from '../eventstore/store.js'
import { schemaOf, upcast } from '../eventstore/upcast.js'
import { categoryOf } from '../projections/projection.js'

/** An event as it is stored. */
export type StoredBytes = {
  readonly stream: string
  readonly type: string
  readonly json: boolean
  readonly data: Uint8Array
  readonly customMetadata: Uint8Array
}

export type Mask = {
  readonly event: (event: StoredBytes) => Pick<StoredBytes, 'stream' | 'data' | 'customMetadata'>
  readonly stream: (name: string) => string
}

export type MaskOptions = {
  /** The key under which the history stands for e-mail addresses, and the one under which its masked copy will. */
  readonly emailKey: string
  readonly newEmailKey: string
  /** Of the one password that everybody has then. */
  readonly passwordHash: string
}

type Data = { readonly [field: string]: unknown }

const knownCategories = new Set([...catalogue.values()].map(({ category }) => category))

/**
 * Takes the people out of a history: names and e-mail addresses become pseudonyms, the same for the same person in every masked copy of
 * the shop, which nobody can turn back without the shop's e-mail key; log-ins are those of the new addresses; what is secret is
 * replaced. Of events that the catalogue doesn't describe nothing is left but that they were.
 */
export const createMask = ({ emailKey, newEmailKey, passwordHash }: MaskOptions): Mask => {
  const key = createHmac('sha256', emailKey).update('mask').digest()
  const pseudonym = (kind: string, text: string, digits: number): string =>
    createHmac('sha256', key).update(`${kind}:${text}`).digest('hex').slice(0, digits)
  const emailOf = (login: string): string => `${pseudonym('email', login, 16)}@masked.example`
  const loginOf = (login: string): string =>
    createHmac('sha256', newEmailKey)
      .update(normaliseEmail(emailOf(login)))
      .digest('hex')
  const loginOfEmail = (email: string): string => createHmac('sha256', emailKey).update(normaliseEmail(email)).digest('hex')

  const stream = (name: string): string => {
    if (name.startsWith('$$')) return `$$${stream(name.slice(2))}`
    if (name.startsWith('$') || name === identityStream) return name
    const category = categoryOf(name)
    if (category === 'login') return `login-${loginOf(name.slice('login-'.length))}`
    return knownCategories.has(category) ? name : `masked-${pseudonym('stream', name, 32)}`
  }

  const fieldOf = (type: string, field: string, value: unknown, data: Data): unknown => {
    const described = catalogue.get(type)!.fields[field]
    if (field === 'login') return typeof value === 'string' && value !== '' ? loginOf(value) : value
    if (field === 'hash' && isSecret(type)) return passwordHash
    if (!described?.personal || value === '' || value === undefined) return value
    if (field === 'email') return emailOf(typeof data.login === 'string' && data.login ? data.login : loginOfEmail(`${value}`))
    return `Person ${pseudonym(field, `${data.userId}:${value}`, 8)}`
  }

  const dataOf = (type: string, data: Data): Data => {
    const fields = catalogue.get(type)?.fields
    if (!fields) return 'at' in data ? { at: data.at } : {}
    // Of what is secret the hash alone: until when a password was good for one log-in is not said of the one that all have now.
    const kept = (field: string): boolean =>
      Object.hasOwn(fields, field) && !(isSecret(type) && fields[field]!.kind === 'text' && field !== 'hash')
    return Object.fromEntries(
      Object.entries(data)
        .filter(([field]) => field === 'at' || kept(field))
        .map(([field, value]) => [field, field === 'at' ? value : fieldOf(type, field, value, data)]),
    )
  }

  /** What a client may have made up is not passed on as it is. */
  const idOf = (id: string): string => (/^[0-9a-f-]{32,36}$/.test(id) ? id : pseudonym('id', id, 32))

  const metadataOf = (type: string, metadata: EventMetadata): EventMetadata => {
    const { $correlationId, $causationId, commandId, requestHash, actor, schema, traceparent } = metadata
    // A request of a person is named by a hash of what they said.
    const keyed = commandId !== undefined && requestHash !== undefined && !isOfPerson(type)
    return {
      ...($correlationId !== undefined && { $correlationId: idOf($correlationId) }),
      ...($causationId !== undefined && { $causationId: idOf($causationId) }),
      ...(keyed && { commandId, requestHash }),
      ...(actor !== undefined && { actor }),
      ...(schema !== undefined && { schema: schemaOf(type) }),
      ...(traceparent !== undefined && { traceparent }),
    }
  }

  const event: Mask['event'] = ({ stream: name, type, json, data, customMetadata }) => {
    if (type === '$>') return { stream: stream(name), data: linkTo(data, stream), customMetadata: nothing }
    if (type.startsWith('$') || name === identityStream) return { stream: stream(name), data, customMetadata }
    const metadata = objectIn(customMetadata) as EventMetadata
    const today = json ? upcast(type, objectIn(data), metadata.schema) : {}
    return {
      stream: stream(name),
      data: json ? bytesOf(dataOf(type, today as Data)) : nothing,
      customMetadata: customMetadata.length === 0 ? nothing : bytesOf(metadataOf(type, metadata)),
    }
  }

  return { event, stream }
}

const nothing = new Uint8Array()
const bytesOf = (value: object): Buffer => Buffer.from(JSON.stringify(value), 'utf8')

const isOfPerson = (type: string): boolean => ['user', 'login'].includes(catalogue.get(type)?.category ?? 'user')

/** `revision@stream`. */
const linkTo = (data: Uint8Array, stream: (name: string) => string): Buffer => {
  const [revision, ...name] = Buffer.from(data).toString('utf8').split('@')
  return Buffer.from(`${revision}@${stream(name.join('@'))}`, 'utf8')
}

const objectIn = (bytes: Uint8Array): Data => {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Data) : {}
  } catch {
    return {}
  }
}
