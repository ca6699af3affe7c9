import { expect } from 'chai'
import { normaliseEmail } from '../../src/domain/email.js'
import type { UserId } from '../../src/domain/ids.js'
import { isPast, isVoid, secretTypes, user } from '../../src/domain/user.js'
import { scenarios } from '../support/given.js'

const at = '2026-01-01T00:00:00.000Z'
const userId = '000000000000000000000001' as UserId
const registered = {
  type: 'UserRegistered' as const,
  data: { userId, name: 'Ann', email: normaliseEmail('ann@x.io'), login: 'a', claimRevision: 0, at },
}
const password = (hash: string) => ({ type: 'PasswordSet' as const, data: { userId, hash, at } })
const renamed = (name: string) => ({ type: 'UserRenamed' as const, data: { userId, name, at } })
const moved = {
  type: 'EmailChanged' as const,
  data: { userId, email: normaliseEmail('b@x.io'), login: 'b', claimRevision: 3, at },
}
const voided = (claimRevision: number) => ({ type: 'EmailClaimVoided' as const, data: { userId, login: 'b', claimRevision, at } })
const staff = { type: 'RoleGranted' as const, data: { userId, role: 'staff' as const, at } }
const erased = { type: 'UserErased' as const, data: { userId, at } }
const { given, fold } = scenarios(user)
const edit = { type: 'Edit' as const, userId, at }

describe('user', () => {
  it('registers, with the password in an event of its own', () =>
    given()
      .when({
        type: 'Register',
        userId,
        name: 'Ann',
        email: normaliseEmail('ann@x.io'),
        login: 'a',
        claimRevision: 0,
        hash: 'h',
        at,
      })
      .then(registered, password('h')))
  it('marks the password secret', () => expect([...secretTypes]).to.deep.equal(['PasswordSet', 'PasswordRehashed']))

  it('edits what was given', () =>
    given(registered, password('h'))
      .when({ ...edit, name: 'Anna', email: { email: normaliseEmail('b@x.io'), login: 'b', claimRevision: 3 }, hash: 'i' })
      .then(renamed('Anna'), moved, password('i')))
  it('edits nothing where nothing changes', () =>
    given(registered, renamed('Anna'))
      .when({ ...edit, name: 'Anna' })
      .then())
  it('is not edited before it is registered, nor once erased', () => {
    given(voided(0))
      .when({ ...edit, name: 'x' })
      .rejected('UserNotFound')
    given(registered, erased)
      .when({ ...edit, name: 'x' })
      .rejected('UserNotFound')
  })
  it('does not move to an e-mail whose claim was ended', () =>
    given(registered, voided(3))
      .when({ ...edit, email: { email: normaliseEmail('b@x.io'), login: 'b', claimRevision: 3 } })
      .rejected('EmailTaken'))

  it('ends a claim once, and with it the earlier ones', () => {
    given(registered).when({ type: 'VoidClaim', userId, login: 'b', claimRevision: 3, at }).then(voided(3))
    given(registered, voided(3)).when({ type: 'VoidClaim', userId, login: 'b', claimRevision: 2, at }).then()
    given(registered, voided(3)).when({ type: 'VoidClaim', userId, login: 'b', claimRevision: 4, at }).then(voided(4))
    expect(isVoid(fold([voided(3)]), 'a', 3)).to.equal(false)
  })
  it('is no user where there are only voids', () => expect(fold([voided(0)]).registered).to.equal(false))

  it('is granted a role, once', () => {
    given(registered).when({ type: 'GrantRole', userId, role: 'staff', at }).then(staff)
    given(registered, staff).when({ type: 'GrantRole', userId, role: 'staff', at }).then()
    given().when({ type: 'GrantRole', userId, role: 'staff', at }).rejected('UserNotFound')
  })
  it('raises the epoch with a password, a role and an erasure, not with a name', () => {
    expect(fold([registered, password('h')]).epoch).to.equal(1)
    expect(fold([registered, password('h'), renamed('x'), moved]).epoch).to.equal(1)
    expect(fold([registered, password('h'), staff, password('i'), erased]).epoch).to.equal(4)
  })
  it('is given a password for one log-in, which is good once and until then', () => {
    const until = '2026-01-02T00:00:00.000Z'
    const reset = { type: 'PasswordSet' as const, data: { userId, hash: 'once', oneTimeUntil: until, at } }
    const used = { type: 'OneTimePasswordUsed' as const, data: { userId, at } }
    const use = { type: 'UseOneTimePassword' as const, userId, at }
    given(registered, password('h')).when({ type: 'ResetPassword', userId, hash: 'once', oneTimeUntil: until, at }).then(reset)
    given(registered, password('h'), reset).when(use).then(used)
    given(registered, password('h'), reset, used).when(use).rejected('WrongPassword')
    given(registered, password('h'), reset)
      .when({ ...use, at: until })
      .rejected('WrongPassword')
    given(registered, password('h'), reset, used, password('own')).when(use).rejected('WrongPassword')
    expect(isPast(fold([registered, reset, used]), at)).to.equal(false)
    expect(isPast(fold([registered, reset, used]), until)).to.equal(true)
    expect(isPast(fold([registered, reset, password('own')]), until)).to.equal(false)
  })
  it('keeps a password under another hash, unless it is a new one meanwhile', () => {
    const rehash = { type: 'RehashPassword' as const, userId, was: 'h', hash: 'i', at }
    const rehashed = { type: 'PasswordRehashed' as const, data: { userId, hash: 'i', at } }
    given(registered, password('h')).when(rehash).then(rehashed)
    given(registered, password('h'), password('j')).when(rehash).then()
    expect(fold([registered, password('h'), rehashed])).to.include({ hash: 'i', epoch: 1 })
  })
  it('is signed out, which raises the epoch', () => {
    const out = { type: 'SignedOut' as const, data: { userId, at } }
    given(registered, password('h')).when({ type: 'SignOut', userId, at }).then(out)
    expect(fold([registered, password('h'), out]).epoch).to.equal(2)
  })
  it('forgets the person when erased', () =>
    expect(fold([registered, password('h'), erased])).to.include({
      erased: true,
      name: '',
      email: '',
      login: '',
      hash: '',
      role: 'customer',
    }))
})
