import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { readConfig } from '../../src/platform/config.js'
import { readSecrets, SecretsError } from '../../src/platform/secrets.js'

describe('secrets', () => {
  let data: string
  const path = () => join(data, 'secrets.json')
  const read = (env: NodeJS.ProcessEnv = {}) => readSecrets(readConfig({ TILLROLL_DATA: data, ...env }))
  const key = 'k'.repeat(32)

  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'tillroll-secrets-'))
  })

  afterEach(() => rm(data, { recursive: true }))

  it('are made once, random, and readable for their owner alone', async () => {
    const first = await read()
    expect((await stat(path())).mode & 0o777).to.equal(0o600)
    expect(await read()).to.deep.equal(first)
    await rm(path())
    const second = await read()
    expect(second.emailKey).to.not.equal(first.emailKey)
    expect(second.jwtSecrets).to.not.deep.equal(first.jwtSecrets)
  })

  it('are the same for all who make them at once', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => read()))
    for (const one of all) expect(one).to.deep.equal(all[0])
    expect(await readdir(data)).to.deep.equal(['secrets.json'])
  })

  it('come from the environment where it has them, each by itself', async () => {
    const [next, last] = ['abcdefgh'.repeat(4), 'stuvwxyz'.repeat(4)]
    expect(await read({ JWT_SECRETS: `${next},${last}`, EMAIL_KEY: key })).to.deep.equal({
      jwtSecrets: [next, last],
      emailKey: key,
    })
    expect(await stat(path()).catch(() => 'no file')).to.equal('no file')
    const { jwtSecrets } = await read()
    expect(await read({ EMAIL_KEY: key })).to.deep.equal({ jwtSecrets, emailKey: key })
  })

  for (const damage of ['', '{"jwtSecrets": ["abc"', '{"jwtSecrets": [], "emailKey": "short"}']) {
    it(`are refused, neither replaced nor shown, where the file is damaged: ${damage || 'empty'}`, async () => {
      await writeFile(path(), damage)
      const error = await read().catch((error: unknown) => error)
      expect(error).to.be.instanceOf(SecretsError)
      expect((error as Error).message)
        .to.contain(path())
        .and.not.contain('abc')
        .and.not.contain('short')
      expect(await readFile(path(), 'utf8')).to.equal(damage)
    })
  }
})
