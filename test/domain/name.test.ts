import { expect } from 'chai'
import fc from 'fast-check'
import { nameOf } from '../../src/domain/name.js'

describe('a name', () => {
  it('is kept trimmed', () => {
    expect(nameOf('  Green tea ')).to.equal('Green tea')
    expect(nameOf('\ufeffTea')).to.equal('Tea')
  })

  it('may be of any script, and of signs', () => {
    const persian = 'می\u200cخواهم'
    const family = '👩\u200d👩\u200d👧'
    for (const name of ['Ömer', '中文', 'न्\u200dष', persian, family, '🏳️\u200d🌈', '№ 1', '-', 'e\u0301']) {
      expect(nameOf(name)).to.equal(name)
    }
  })

  it('is none where there is nothing to see', () => {
    for (const text of [
      '',
      ' ',
      '\u00a0',
      '\u200b',
      '\ufeff',
      '\u2060',
      '\u3164',
      '\u2800',
      '\u115f\u1160',
      '\u0301',
      '\u200d',
    ]) {
      expect(nameOf(text), JSON.stringify(text)).to.equal(undefined)
    }
  })

  it('is none where it holds what turns, hides or breaks text', () => {
    for (const text of ['Tea\u202e', 'a\u2066b', 'T\u200bea', 'T\u00adea', 'T\nea', 'T\u2028ea', 'T\ud800']) {
      expect(nameOf(text), JSON.stringify(text)).to.equal(undefined)
    }
  })

  it('has joiners only inside words', () => {
    for (const text of ['\u200dTea', 'Tea\u200d', 'Green \u200dtea', 'Green\u200c tea', 'a\u200d\u200db']) {
      expect(nameOf(text), JSON.stringify(text)).to.equal(undefined)
    }
  })

  it('stays as it is when it is taken again', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const name = nameOf(text)
        return name === undefined || nameOf(name) === name
      }),
    )
  })
})
