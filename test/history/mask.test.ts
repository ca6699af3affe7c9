import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { catalogue } from '../../src/domain/catalogue.js'
import { createMask } from '../../src/history/mask.js'

const emailKey = 'the key of the shop, which is long enough'
const newEmailKey = 'the key of its copy, which is long enough'
const passwordHash = '$2b$04$the.one.password.of.everybody'
const login = (key: string, email: string): string => createHmac('sha256', key).update(email).digest('hex')
const masks = createMask({ emailKey, newEmailKey, passwordHash })
const bytes = (value: object): Buffer => Buffer.from(JSON.stringify(value))

const masked = (stream: string, type: string, data: object, metadata: object = {}) => {
  const after = masks.event({ stream, type, json: true, data: bytes(data), customMetadata: bytes(metadata) })
  return { stream: after.stream, data: parsed(after.data), metadata: parsed(after.customMetadata) }
}
const parsed = (of: Uint8Array): Record<string, unknown> => JSON.parse(Buffer.from(of).toString('utf8'))

const userId = '000000010000000000000001'
const email = 'ada@example.com'
const at = '2026-01-01T00:00:00.000Z'
const registered = { userId, name: 'Ada Lovelace', email, login: login(emailKey, email), claimRevision: 0, at }

describe('a masked history', () => {
  it('has pseudonyms for names and e-mails, and log-ins that belong to them', () => {
    const { stream, data } = masked(`user-${userId}`, 'UserRegistered', registered)
    expect(stream).to.equal(`user-${userId}`)
    expect(data.email).to.match(/^[0-9a-f]{16}@masked\.example$/)
    expect(data.name).to.match(/^Person [0-9a-f]{8}$/)
    expect(data).to.deep.include({ userId, claimRevision: 0, at, login: login(newEmailKey, data.email as string) })
  })

  it('moves the claim of an e-mail to the stream of its pseudonym, also what only describes the stream', () => {
    const user = masked(`user-${userId}`, 'UserRegistered', registered)
    const old = login(emailKey, email)
    const claim = masked(`login-${old}`, 'EmailClaimed', { login: old, userId, at })
    expect(claim.stream).to.equal(`login-${user.data.login}`)
    expect(claim.data).to.deep.equal({ login: user.data.login, userId, at })
    expect(masks.stream(`$$login-${old}`)).to.equal(`$$${claim.stream}`)
    const metadata = masked(`$$login-${old}`, '$metadata', { $tb: 3 })
    expect(metadata).to.deep.include({ stream: `$$${claim.stream}`, data: { $tb: 3 } })
  })

  it('is the same every time, and another under another key', () => {
    const again = createMask({ emailKey, newEmailKey: 'a third key, which is long enough as well', passwordHash })
    const other = createMask({ emailKey: newEmailKey, newEmailKey, passwordHash })
    const nameOf = (mask: typeof masks) =>
      parsed(
        mask.event({
          stream: `user-${userId}`,
          type: 'UserRenamed',
          json: true,
          data: bytes({ userId, name: 'Ada', at }),
          customMetadata: bytes({}),
        }).data,
      ).name
    expect(nameOf(again)).to.equal(nameOf(masks))
    expect(nameOf(other)).to.not.equal(nameOf(masks))
  })

  it('gives everybody the one password', () => {
    const { data } = masked(`user-${userId}`, 'PasswordSet', { userId, hash: '$2b$11$original', oneTimeUntil: at, at })
    expect(data).to.deep.equal({ userId, hash: passwordHash, at })
  })

  it('leaves products, carts and orders as they are', () => {
    const data = { productId: userId, name: 'Ada Lovelace tea', stock: 3, price: 100, at }
    const metadata = {
      $correlationId: '6f1c1c9e-3f0e-4d0c-9a39-5d5b63a2a001',
      actor: userId,
      schema: 1,
      commandId: 'c',
      requestHash: 'r',
    }
    expect(masked(`product-${userId}`, 'ProductAdded', data, metadata)).to.deep.equal({
      stream: `product-${userId}`,
      data,
      metadata,
    })
  })

  it('keeps no hash of what a person said, nor an id that a client made up', () => {
    const metadata = {
      $correlationId: 'ada-lovelace-1',
      $causationId: 'ada',
      commandId: 'c',
      requestHash: 'r',
      actor: 'anonymous',
      more: 'Ada',
    }
    const after = masked(`user-${userId}`, 'UserRegistered', registered, metadata).metadata
    expect(after).to.have.all.keys('$correlationId', '$causationId', 'actor')
    expect(JSON.stringify(after)).to.not.match(/ada/i)
  })

  it('keeps nothing of what nobody has described', () => {
    expect(masked('notes-ada', 'NoteTaken', { text: 'Ada was here', at }).data).to.deep.equal({ at })
    expect(masked('notes-ada', 'NoteTaken', {}).stream).to.match(/^masked-[0-9a-f]{32}$/)
    expect(masked(`user-${userId}`, 'UserRegistered', { ...registered, telephone: '1815' }).data).to.not.have.property(
      'telephone',
    )
    const binary = {
      stream: 'notes-ada',
      type: 'NoteTaken',
      json: false,
      data: Buffer.from('Ada'),
      customMetadata: Buffer.from('Ada'),
    }
    expect(masks.event(binary).data).to.have.length(0)
    expect(Buffer.from(masks.event(binary).customMetadata).toString()).to.equal('{}')
  })

  it('knows every shape that was ever stored: no personal or secret value of it is left', () => {
    const stored = JSON.parse(readFileSync(new URL('../domain/stored-events.json', import.meta.url), 'utf8')) as unknown
    const events = (Array.isArray(stored) ? stored : Object.values(stored as object).flat()) as {
      type: string
      data: Record<string, unknown>
    }[]
    let looked = 0
    for (const { type, data } of events) {
      const described = catalogue.get(type)
      if (!described) continue
      const after = masked(`${described.category}-${userId}`, type, data).data
      for (const [field, { kind, personal }] of Object.entries(described.fields)) {
        if (described.secret && kind === 'text' && field !== 'hash') expect(after).to.not.have.property(field)
        if (!(personal || field === 'login' || field === 'hash') || !data[field]) continue
        looked++
        expect(after[field], `${type}.${field}`).to.be.a('string').and.not.equal(data[field])
      }
    }
    expect(looked).to.be.greaterThan(5)
  })
})
