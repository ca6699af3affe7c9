import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { Unavailable } from '../../src/platform/errors.js'
import { failureOf } from '../../src/platform/log.js'

describe('the log', () => {
  const log = fileURLToPath(new URL('../../src/platform/log.ts', import.meta.url))

  /** What a process writes that logs so. */
  const written = (options: string, call: string): string =>
    execFileSync(
      process.execPath,
      [
        '--import',
        'tsx',
        '--input-type=module',
        '-e',
        `import { createLog } from ${JSON.stringify(log)}; createLog('info', ${options}).${call}`,
      ],
      { encoding: 'utf8' },
    )

  it('is JSON, a line each, where it goes to no terminal', () => {
    const line = JSON.parse(written('{}', `info({ part: 'HTTP' }, 'HTTP is up')`))
    expect(line).to.include({ level: 'info', part: 'HTTP', msg: 'HTTP is up' })
    expect(line.time).to.match(/^\d{4}-\d\d-\d\dT.*Z$/)
  })

  it('is a line for people on a terminal: the time, the level and the sentence', () => {
    expect(written(`{ format: 'people' }`, `info({ part: 'HTTP', pid: 5 }, 'HTTP is up')`)).to.match(
      /^\[\d\d:\d\d:\d\d\] INFO: HTTP is up\n$/,
    )
  })

  it('shows why something failed, and none of what was in a row', () => {
    const refused = Object.assign(new Error('duplicate key'), {
      code: '23505',
      detail: 'Key (email)=(ann@example.org) exists',
      table: 'users_1',
    })
    const shown = failureOf(new Error('the batch broke off', { cause: refused }))
    expect(shown).to.include({ type: 'Error', message: 'the batch broke off' })
    expect(shown.stack).to.contain('log.test')
    expect(shown.cause).to.include({ message: 'duplicate key', code: '23505' })
    expect(JSON.stringify(shown)).to.not.match(/example\.org|users_1/)
    const line = JSON.parse(written('{}', `error({ err: Object.assign(new TypeError('no'), { detail: 'a row' }) }, 'it broke')`))
    expect(line.err).to.have.all.keys('type', 'message', 'stack').and.include({ type: 'TypeError', message: 'no' })
  })

  it('shows no place of what comes and goes by itself, and takes what is no error', () => {
    expect(failureOf(new Unavailable('away'))).to.deep.equal({ type: 'Unavailable', message: 'away' })
    expect(failureOf('a word')).to.deep.equal({ type: 'string', message: 'a word' })
    const turning = new Error('turns')
    turning.cause = turning
    expect(JSON.stringify(failureOf(turning))).to.contain('turns')
  })

  it('shows people why something failed', () => {
    expect(written(`{ format: 'people' }`, `error({ err: new Error('no space') }, 'it broke')`)).to.match(
      /it broke[\s\S]*no space/,
    )
  })
})
