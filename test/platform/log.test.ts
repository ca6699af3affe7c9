import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

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

  it('shows people why something failed', () => {
    expect(written(`{ format: 'people' }`, `error({ err: new Error('no space') }, 'it broke')`)).to.match(
      /it broke[\s\S]*no space/,
    )
  })
})
