import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { prompt } from '../../../src/cli/commands/history/prompt.js'
import { until } from '../../support/until.js'

type Typing = {
  readonly type: (...keys: readonly string[]) => Promise<void>
  readonly shown: () => string
  readonly asked: string[]
  readonly ended: Promise<void>
}

describe('the prompt of history sql', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-prompt-'))
  })
  after(() => rm(folder, { recursive: true }))

  const open = (run: (statement: string, signal: AbortSignal) => Promise<void> = async () => undefined): Typing => {
    const [input, output] = [new PassThrough(), new PassThrough()]
    let shown = ''
    output.on('data', (chunk) => (shown += chunk))
    const asked: string[] = []
    const ended = prompt({
      folder,
      explainSchema: () => output.write('<schema>'),
      run: (statement, signal) => {
        asked.push(statement.trim())
        return run(statement, signal)
      },
      input,
      output,
    })
    const type: Typing['type'] = async (...keys) => {
      for (const key of keys) {
        input.write(key)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    return { type, shown: () => shown, asked, ended }
  }

  it('asks each statement when its semicolon comes, over several lines too, and remembers the lines', async () => {
    const first = open()
    await first.type('select 1;\r', 'select\r', '2; select 3;\r', '\r', '\\d\r', '\\q\r')
    await first.ended
    expect(first.asked).to.deep.equal(['select 1', 'select\n2', 'select 3'])
    expect(first.shown()).to.contain('history> ').and.contain('      -> ').and.contain('<schema>')
    expect((await stat(join(folder, 'prompt'))).mode & 0o777).to.equal(0o600)
    const again = open()
    await until(() => again.shown().includes('history> '))
    await again.type('\x1b[A', '\x1b[A', '\x1b[A', '\r', '\\q\r')
    await again.ended
    expect(again.asked).to.deep.equal(['select 1'])
    expect((await readFile(join(folder, 'prompt'), 'utf8')).split('\n').slice(0, 3)).to.deep.equal([
      'select 1;',
      'select',
      '2; select 3;',
    ])
  })

  it('completes views, columns and words of SQL', async () => {
    const one = open()
    await until(() => one.shown().includes('history> '))
    await one.type('sel', '\t', ' customer', '\t', ' from order_pl', '\t', ' where pri', '\t', ' > 1;\r', '\\q\r')
    await one.ended
    expect(one.asked).to.deep.equal(['select customer_id from order_placed where price > 1'])
  })

  it('forgets what is half typed at Ctrl-C, and ends the query that runs', async () => {
    const one = open(
      (statement, signal) =>
        new Promise((_, reject) => {
          if (!statement.includes('slow')) return reject(new Error(`no ${statement.trim()}`))
          signal.addEventListener('abort', () => reject(new Error('it was cancelled')))
        }),
    )
    await until(() => one.shown().includes('history> '))
    await one.type('select nothing\r', 'from half', '\x03', 'select slow; select 9;\r')
    await until(() => one.asked.length === 1)
    await one.type('\x03')
    await until(() => one.shown().includes('it was cancelled'))
    await one.type('fails;\r', '\\q\r')
    await one.ended
    expect(one.asked).to.deep.equal(['select slow', 'fails'])
    expect(one.shown()).to.contain('no fails')
  })
})
