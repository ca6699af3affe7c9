import { expect } from 'chai'
import type { UserId } from '../../src/domain/ids.js'
import { login } from '../../src/domain/login.js'
import { scenarios } from '../support/given.js'

const at = '2026-01-01T00:00:00.000Z'
const ann = '000000000000000000000001' as UserId
const bob = '000000000000000000000002' as UserId
const claimed = (userId: UserId) => ({ type: 'EmailClaimed' as const, data: { login: 'x', userId, at } })
const released = { type: 'EmailReleased' as const, data: { login: 'x', userId: ann, at } }
const { given, fold } = scenarios(login)

describe('login', () => {
  it('claims', () => given().when({ type: 'ClaimEmail', login: 'x', userId: ann, at }).then(claimed(ann)))
  it('claims again, for a claim serves one command', () =>
    given(claimed(ann)).when({ type: 'ClaimEmail', login: 'x', userId: ann, at }).then(claimed(ann)))
  it('releases', () =>
    given(claimed(ann)).when({ type: 'ReleaseEmail', login: 'x', userId: ann, claimRevision: 0, at }).then(released))
  it('knows the newest claim and its revision', () => {
    expect(fold([claimed(ann), claimed(bob)]).claim).to.deep.equal({ userId: bob, revision: 1, at })
    expect(fold([claimed(ann), released]).claim).to.equal(undefined)
  })
})
