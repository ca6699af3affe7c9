import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { catalogue, isSecret, personalFields } from '../../src/domain/catalogue.js'

type Stored = { category: string; type: string; data: Record<string, unknown> }
const stored: Stored[] = JSON.parse(readFileSync(new URL('./stored-events.json', import.meta.url), 'utf8'))

describe('the catalogue of events', () => {
  it('describes every event that was ever stored, and each of its fields', () => {
    for (const { category, type, data } of stored) {
      const described = catalogue.get(type)
      expect(described, type).to.include({ category })
      for (const name of Object.keys(data)) if (name !== 'at') expect(described!.fields, type).to.have.property(name)
    }
  })

  it('gives every field a kind that its values have', () => {
    const kinds: Record<string, string> = { id: 'string', text: 'string', integer: 'number', cents: 'number', list: 'object' }
    for (const { type, data } of stored) {
      for (const [name, value] of Object.entries(data)) {
        if (name !== 'at') expect(typeof value, `${type}.${name}`).to.equal(kinds[catalogue.get(type)!.fields[name]!.kind])
      }
    }
  })

  it('marks the password secret, and names and e-mail addresses personal', () => {
    expect([...catalogue.keys()].filter(isSecret)).to.deep.equal(['PasswordSet', 'PasswordRehashed'])
    expect(personalFields('UserRegistered')).to.deep.equal(['name', 'email'])
    expect(personalFields('UserRenamed')).to.deep.equal(['name'])
    expect(personalFields('EmailChanged')).to.deep.equal(['email'])
    // A product's name is nobody's.
    expect(personalFields('ProductAdded')).to.deep.equal([])
  })
})
