import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client'
import { expect } from 'chai'
import { freePort, spawnCli } from '../support/spawn-shop.js'

const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; out: string; err: string }> =>
  new Promise((resolve) => {
    const child = spawnCli(['eventstore', ...args], { EVENTSTORE_URL: '', ...env })
    let [out, err] = ['', '']
    child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()))
    child.on('close', (code) => resolve({ code, out, err }))
  })

describe('tillroll eventstore', function () {
  this.timeout(60_000)
  let folder: string
  let data: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-cli-eventstore-'))
    data = join(folder, 'store')
  })
  after(() => rm(folder, { recursive: true }))

  it('serves over TLS, where it is told to be, and is cared for all the same', async () => {
    const port = await freePort()
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) =>
      fileURLToPath(new URL(`../eventstore/fixtures/${name}`, import.meta.url)),
    )
    const store = join(folder, 'secure')
    const args = ['eventstore', 'serve', '--data', store, '--port', `${port}`, '--advertise', 'shop.example:443']
    const child = spawnCli([...args, '--cert', cert!, '--key', key!], { EVENTSTORE_DEFAULT_ADMIN_PASSWORD: 'secret' })
    const exited = new Promise<number | null>((resolve) => child.on('exit', resolve))
    const said = await new Promise<string>((resolve) => child.stdout!.once('data', (chunk: Buffer) => resolve(chunk.toString())))
    expect(said).to.include(`esdb://127.0.0.1:${port}?tls=true`)
    const client = EventStoreDBClient.connectionString(`esdb://admin:secret@localhost:${port}?tls=true&tlsCAFile=${cert}`)
    await client.appendToStream('counted', jsonEvent({ type: 'Counted', data: {} }))
    await client.dispose()
    expect((await run(['verify', '--port', `${port}`])).out).to.include('no problems found')
    child.kill('SIGTERM')
    expect(await exited).to.equal(0)
  })

  it('says what is wrong with a certificate, its key, or where it is to be', async () => {
    const refused = async (...args: string[]) => (await run(['serve', '--data', join(folder, 'never'), ...args])).err
    expect(await refused('--cert', 'a.pem')).to.include('--cert and --key are given together')
    expect(await refused('--cert', 'nowhere.pem', '--key', 'nowhere.pem')).to.include("--cert nowhere.pem can't be read")
    expect(await refused('--cert', 'README.md', '--key', 'README.md')).to.include('is no PEM file')
    expect(await refused('--advertise', 'a b')).to.include('--advertise a b: it is a host')
  })

  it('serves alone, and is cared for while it does', async () => {
    const port = await freePort()
    const child = spawnCli(['eventstore', 'serve', '--data', data, '--port', String(port)], {})
    const exited = new Promise<number | null>((resolve) => child.on('exit', resolve))
    const said = await new Promise<string>((resolve) => child.stdout!.once('data', (chunk: Buffer) => resolve(chunk.toString())))
    expect(said).to.include(`esdb://127.0.0.1:${port}?tls=false`)

    const client = EventStoreDBClient.connectionString`esdb://127.0.0.1:${port}?tls=false`
    const events = Array.from({ length: 20 }, (_, i) => jsonEvent({ type: 'Counted', data: { secret: 'unreachable-words', i } }))
    await client.appendToStream('numbers', events)
    await client.appendToStream('kept', jsonEvent({ type: 'Kept', data: {} }))
    await client.deleteStream('numbers')
    await client.dispose()

    const [verified, second] = await Promise.all([
      run(['verify', '--port', String(port)]),
      run(['serve', '--data', data, '--port', String(await freePort())]),
    ])
    expect(verified.out)
      .to.match(/22 events|23 events/)
      .and.to.include('no problems found')
    expect(second.code).to.equal(1)
    expect(second.err).to.match(/in use/)
    const scavenged = await run(['scavenge', '--port', String(port)])
    expect(scavenged.out).to.match(/removed 20 of/)
    const [key, seal] = [join(folder, 'key.pem'), join(folder, 'seal.json')]
    const sealed = await run(['seal', '--key', key, '--out', seal, '--port', String(port)])
    expect([sealed.code, sealed.err.includes('a new key')]).to.deep.equal([0, true])
    const proved = await run(['verify', '--seal', seal, '--seal-key', key, '--port', String(port)])
    expect(proved.out)
      .to.include('the log is what was sealed')
      .and.to.include('20 of its records were removed by scavenges, and 1 receipts cover them')
    const status = await run(['status', '--port', String(port)])
    expect([status.code, status.out.includes('bytes in')]).to.deep.equal([0, true])
    const backup = join(folder, 'backup')
    const written = await run(['backup', backup, '--port', String(port)])
    expect([written.code, written.err]).to.deep.equal([0, ''])
    child.kill('SIGTERM')
    expect(await exited).to.equal(0)

    const restored = join(folder, 'restored')
    expect((await run(['restore', backup, '--data', restored])).code).to.equal(0)
    const [whole, again] = await Promise.all([run(['verify', '--data', restored]), run(['restore', backup, '--data', restored])])
    expect(whole.out).to.include('no problems found')
    expect((await run(['verify', '--seal', seal, '--data', restored])).out).to.include('the log is what was sealed')
    const changed = join(folder, 'changed.json')
    await writeFile(changed, (await readFile(seal, 'utf8')).replace(/"position": \d/, '"position": 9'))
    const refused = await run(['verify', '--seal', changed, '--data', restored])
    expect([refused.code, refused.err.includes('it was changed')]).to.deep.equal([1, true])
    expect([again.code, again.err]).to.deep.equal([1, `tillroll: ${restored} is not empty\n`])
  })

  it('stops when it is told to before it serves', async () => {
    const child = spawnCli(['eventstore', 'serve', '--data', join(folder, 'early'), '--port', String(await freePort())], {})
    const exited = new Promise<number | null>((resolve) => child.on('exit', resolve))
    const held = async (): Promise<boolean> => (await readdir(folder)).includes('early')
    while (!(await held())) await new Promise(setImmediate)
    child.kill('SIGTERM')
    expect(await exited).to.equal(0)
  })

  it('says where a file is damaged', async () => {
    const [segment] = (await readdir(data)).filter((name) => name.startsWith('log-')).sort()
    const file = await open(join(data, segment!), 'r+')
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, 100)
    await file.write(Buffer.from([byte[0]! ^ 0xff]), 0, 1, 100)
    await file.close()
    const { code, out, err } = await run(['verify', '--data', data])
    expect(code).to.equal(1)
    expect(out).to.include(segment)
    expect(err).to.match(/restore a backup/)
  })

  it('cares for a store that is there, and makes none', async () => {
    const nowhere = join(folder, 'mistyped')
    const cares = [['verify'], ['scavenge'], ['backup', join(folder, 'empty')]].map((args) => run([...args, '--data', nowhere]))
    for (const { code, err } of await Promise.all(cares)) {
      expect([code, err]).to.deep.equal([1, `tillroll: ${nowhere} holds no event store\n`])
    }
    expect(await readdir(folder))
      .to.not.include('mistyped')
      .and.to.not.include('empty')
  })

  it('understands only what it knows', async () => {
    const [many, burn, elsewhere] = await Promise.all([
      run(['serve', '--port', 'many']),
      run(['burn']),
      run(['scavenge'], { EVENTSTORE_URL: 'esdb://elsewhere:2113' }),
    ])
    expect([many.code, burn.code]).to.deep.equal([2, 2])
    expect([elsewhere.code, elsewhere.err.includes('its own tools')]).to.deep.equal([1, true])
  })
})
