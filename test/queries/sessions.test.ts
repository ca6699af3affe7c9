import { createSecretKey, type KeyObject, randomUUID } from 'node:crypto'
import { expect } from 'chai'
import jwt from 'jsonwebtoken'
import type { UserId } from '../../src/domain/ids.js'
import type { Follower } from '../../src/eventstore/feed.js'
import type { RecordedEvent } from '../../src/eventstore/store.js'
import { createTokens, type TokenSettings } from '../../src/http/pipeline/auth.js'
import { NotReady } from '../../src/queries/engine/read.js'
import { createSessions, type SessionSources } from '../../src/queries/sessions.js'

const ann = '6b03dbc100000000000fec01' as UserId

const eventOf = (type: string, position: bigint, data: object): RecordedEvent => ({
  id: randomUUID(),
  streamId: `user-${ann}`,
  type,
  data: { userId: ann, ...data },
  metadata: {},
  revision: 0,
  position,
  preparePosition: position,
  created: new Date(),
})

/** Sessions over a feed that the test plays. */
const played = async (sources: Partial<SessionSources> = {}, head?: bigint) => {
  let onBatch: Follower['onBatch'] = () => undefined
  let after: unknown
  let healthy = true
  let newest = head
  const sessions = await createSessions({
    load: async () => ({ value: [{ userId: ann, role: 'customer', epoch: 1 }], position: 10n }),
    feed: {
      follow: async (follower) => {
        onBatch = follower.onBatch
        after = follower.after
      },
      healthy: () => healthy,
      head: () => (newest === undefined ? undefined : { commit: newest, prepare: newest }),
    },
    onFailure: (error) => {
      throw error
    },
    ...sources,
  })
  const play = (type: string, position: bigint, data: object = {}) => onBatch([eventOf(type, position, data)], { live: true })
  return {
    sessions,
    play,
    after,
    setHealthy: (value: boolean) => {
      healthy = value
    },
    setHead: (value: bigint) => {
      newest = value
    },
  }
}

describe('sessions', () => {
  it('begin with the users’ rows, and go on from their position', async () => {
    const { sessions, after } = await played()
    expect(sessions.of(ann)).to.deep.equal({ role: 'customer', epoch: 1 })
    expect(after).to.deep.equal({ commit: 10n, prepare: 10n })
  })

  it('begin with the start of the history where there are no rows yet', async () => {
    const notReady = new NotReady('being built')
    const { sessions, after, play } = await played({ load: () => Promise.reject(notReady) })
    expect(after).to.equal(undefined)
    play('UserRegistered', 1n)
    play('PasswordSet', 2n)
    play('RoleGranted', 3n, { role: 'staff' })
    expect(sessions.of(ann)).to.deep.equal({ role: 'staff', epoch: 2 })
  })

  it('raise the epoch with a new password, a role, a sign-out and an erasure, and with nothing else', async () => {
    const { sessions, play } = await played()
    play('UserRenamed', 11n, { name: 'Anna' })
    expect(sessions.of(ann)!.epoch).to.equal(1)
    play('PasswordSet', 12n)
    play('RoleGranted', 13n, { role: 'analyst' })
    expect(sessions.of(ann)).to.deep.equal({ role: 'analyst', epoch: 3 })
    play('SignedOut', 14n)
    expect(sessions.of(ann)).to.deep.equal({ role: 'analyst', epoch: 4 })
    play('PasswordRehashed', 15n)
    play('UserErased', 16n)
    expect(sessions.of(ann)!.epoch).to.equal(5)
  })

  it('take what this process wrote ahead of the subscription, once', async () => {
    const { sessions, play } = await played()
    sessions.raise(ann, { role: 'staff', epoch: 2 })
    expect(sessions.of(ann)).to.deep.equal({ role: 'staff', epoch: 2 })
    play('RoleGranted', 11n, { role: 'staff' })
    expect(sessions.of(ann)).to.deep.equal({ role: 'staff', epoch: 2 })
    play('RoleGranted', 12n, { role: 'customer' })
    expect(sessions.of(ann)).to.deep.equal({ role: 'customer', epoch: 3 })
    sessions.raise(ann, { role: 'staff', epoch: 2 })
    expect(sessions.of(ann)).to.deep.equal({ role: 'customer', epoch: 3 })
  })

  it('can be waited for', async () => {
    const { sessions, play } = await played()
    expect(await sessions.reached(10n, 1)).to.equal(true)
    expect(await sessions.reached(11n, 5)).to.equal(false)
    const reached = sessions.reached(11n, 5_000)
    play('UserRenamed', 11n)
    expect(await reached).to.equal(true)
  })

  it('are not current until they have caught up once, nor while the subscription is behind', async () => {
    const { sessions, play, setHealthy, setHead } = await played({}, 12n)
    expect(await sessions.current(0)).to.equal(false)
    const soon = sessions.current(5_000)
    play('UserRenamed', 12n)
    expect(await soon).to.equal(true)
    setHead(20n)
    expect(await sessions.current(0)).to.equal(true)
    setHealthy(false)
    expect(await sessions.current(30)).to.equal(false)
  })
})

describe('tokens', () => {
  const [one, two] = ['one secret', 'two secret'].map((secret) => createSecretKey(Buffer.from(secret)))
  const caller = { userId: ann, role: 'staff', epoch: 3 } as const

  const settings = { tokenTtl: 60, tokenIssuer: 'a shop', tokenAudience: 'its clients' }
  const tokensOf = (keys: KeyObject[], more: Partial<TokenSettings> = {}, clock?: () => number) =>
    createTokens(keys, { ...settings, ...more }, clock)

  it('say who, in which role and epoch, resting on which position; the subject is the integer id', () => {
    const tokens = tokensOf([one!])
    const token = tokens.sign(caller, 2n ** 63n)
    expect(tokens.read(token)).to.deep.equal({ ...caller, position: 2n ** 63n })
    expect(jwt.decode(token)).to.include({ sub: '3765258110888961', role: 'staff', epoch: 3 })
  })

  it('of an older secret are accepted, of none they are not', () => {
    const token = tokensOf([one!]).sign(caller, 1n)
    expect(tokensOf([two!, one!]).read(token)).to.include(caller)
    expect(tokensOf([two!]).read(token)).to.equal(undefined)
  })

  it('end', () => {
    expect(tokensOf([one!]).read(tokensOf([one!], { tokenTtl: -1 }).sign(caller, 1n))).to.equal(undefined)
  })

  it('that were taken once end too, and no other is taken for them', () => {
    let now = Date.now()
    const tokens = tokensOf([one!], {}, () => now)
    const token = tokens.sign(caller, 1n)
    const [head, payload, signature] = token.split('.')
    const other = tokensOf([two!]).sign(caller, 1n).split('.')[2]
    for (let again = 0; again < 2; again++) {
      expect(tokens.read(token)).to.include(caller)
      expect(tokens.read(`${head}.${payload}.${other}`)).to.equal(undefined)
      expect(tokens.read(`${head}.${payload}.${signature}x`)).to.equal(undefined)
    }
    now += 61_000
    expect(tokens.read(token)).to.equal(undefined)
  })

  it('with other algorithms or claims than ours are none', () => {
    const tokens = tokensOf([one!])
    const exp = Math.floor(Date.now() / 1_000) + 60
    const claims = { role: 'staff', epoch: 3, pos: '1', sub: ann, iss: 'a shop', aud: 'its clients', exp }
    expect(tokens.read(jwt.sign(claims, one!, { algorithm: 'HS256' }))).to.include(caller)
    expect(tokens.read(jwt.sign(claims, one!, { algorithm: 'HS512' }))).to.equal(undefined)
    for (const wrong of [
      { sub: 'x' },
      { role: 'king' },
      { epoch: '3' },
      { epoch: 1.5 },
      { pos: 1 },
      { pos: 'x' },
      { iss: 'x' },
      { aud: 'x' },
    ])
      expect(tokens.read(jwt.sign({ ...claims, ...wrong }, one!))).to.equal(undefined)
    for (const missing of ['iss', 'aud', 'exp'] as const) {
      const { [missing]: _, ...rest } = claims
      expect(tokens.read(jwt.sign(rest, one!)), missing).to.equal(undefined)
    }
    expect(tokens.read(jwt.sign('text', one!))).to.equal(undefined)
    const unsigned = [{ alg: 'none', typ: 'JWT' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    expect(tokens.read(`${unsigned.join('.')}.`)).to.equal(undefined)
  })

  it('of another shop, or for others, are none, whoever has the secret', () => {
    for (const others of [{ tokenIssuer: 'another shop' }, { tokenAudience: 'other clients' }])
      expect(tokensOf([one!]).read(tokensOf([one!], others).sign(caller, 1n))).to.equal(undefined)
  })
})
