import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type pg from 'pg'
import { int16, int32, message, text } from '../../../src/history/wire/frames.js'
import { failure } from '../../eventstore/contract/store.js'
import { type ServedHistory, serveHistory } from './wire.js'

describe("cursors over PostgreSQL's protocol", () => {
  let served: ServedHistory
  before(async () => {
    served = await serveHistory({ timeout: 1_500 })
  })
  after(async () => {
    await served.stop()
    expect(served.errors).to.deep.equal([])
  })

  const numbers = async (client: pg.Client, text: string): Promise<number[]> =>
    (await client.query({ text, rowMode: 'array' })).rows.map(([n]) => Number(n))
  const sqlstate = async (work: Promise<unknown>): Promise<string | undefined> =>
    ((await failure(work)) as { code?: string }).code

  it('give an answer bit by bit, while other statements run', async () => {
    const client = await served.client()
    await client.query('begin')
    await client.query('declare "a cursor" no scroll cursor for select range from range(10000)')
    await client.query({ text: 'declare few cursor without hold for select range + $1::int from range(3)', values: [100] })
    expect(await numbers(client, 'fetch forward 3 from "a cursor"')).to.deep.equal([0, 1, 2])
    expect(await numbers(client, 'select count(*) from events')).to.deep.equal([10])
    expect(await numbers(client, 'fetch few')).to.deep.equal([100])
    expect((await client.query('move 5000 in "a cursor"')).command).to.equal('MOVE')
    expect(await numbers(client, 'fetch next from "a cursor"')).to.deep.equal([5_003])
    expect(await numbers(client, 'fetch all in few')).to.deep.equal([101, 102])
    expect(await numbers(client, 'fetch forward from few')).to.deep.equal([])
    expect((await client.query({ text: 'fetch 2 from "a cursor"', values: [] })).fields.map(({ name }) => name)).to.deep.equal([
      'range',
    ])
    expect((await client.query('close few')).command).to.equal('CLOSE')
    expect(await sqlstate(client.query('fetch few'))).to.equal('34000')
    await client.query('rollback')
  })

  it('end with their transaction, unless they are held', async () => {
    const client = await served.client()
    expect(await sqlstate(client.query('declare one cursor for select 1'))).to.equal('25P01')
    await client.query('begin')
    await client.query('declare one cursor for select 1')
    await client.query('declare held cursor with hold for select range from range(5)')
    expect(await numbers(client, 'fetch 2 from held')).to.deep.equal([0, 1])
    await client.query('commit')
    expect(await sqlstate(client.query('fetch one'))).to.equal('34000')
    expect(await numbers(client, 'fetch 2 from held')).to.deep.equal([2, 3])
    await client.query('begin; declare lost cursor with hold for select 1; rollback')
    expect(await sqlstate(client.query('fetch lost'))).to.equal('34000')
    expect(await numbers(client, 'fetch 2 from held')).to.deep.equal([4])
    await client.query('close all')
    expect(await sqlstate(client.query('fetch held'))).to.equal('34000')
  })

  it('say what they can’t', async () => {
    const client = await served.client()
    await client.query('begin')
    for (const [text, code] of [
      ['declare c scroll cursor for select 1', '0A000'],
      ['declare c binary cursor for select 1', '0A000'],
      ['declare c cursor for delete from orders', '25006'],
      ['declare c cursor for selec 1', '42601'],
      ['fetch backward 1 from c', '0A000'],
      ['fetch c', '34000'],
      ['close c', '34000'],
      ['copy (select 1) to stdout', '0A000'],
    ] as const) {
      expect(await sqlstate(client.query(text)), text).to.equal(code)
      await client.query('rollback; begin')
    }
    await client.query('declare c cursor for select 1')
    expect(await sqlstate(client.query('declare c cursor for select 1'))).to.equal('42P03')
    await client.query('rollback; begin')
    for (let n = 0; n < 8; n++) await client.query(`declare c${n} cursor for select 1`)
    expect(await sqlstate(client.query('declare c8 cursor for select 1'))).to.equal('53400')
    await client.query('rollback')
  })

  it('may work no longer than a query may, and be taken as slowly as one likes', async () => {
    const client = await served.client()
    await client.query('declare slow cursor with hold for select range from range(1000000)')
    expect(await numbers(client, 'fetch 1 from slow')).to.deep.equal([0])
    await sleep(1_700)
    expect(await numbers(client, 'fetch 10000 from slow')).to.have.length(10_000)
    await client.query('begin')
    const endless = 'select a.range from range(1000000) a, range(1000000) b where a.range < 2 or (a.range * b.range) % 7 = 8'
    expect(await sqlstate(client.query(`declare long cursor for ${endless}; fetch all from long`))).to.equal('57014')
    await client.query('rollback')
    expect(await numbers(client, 'fetch 1 from slow')).to.deep.equal([10_001])
  })

  it('are what a driver has that takes some rows at a time: nothing is lost where it asks something else in between', async () => {
    const { send, stop } = await speak(served.wire.address.port)
    try {
      await send(message('Q', text('begin')))
      const begun = await send(
        message('P', text(''), text('select range + 10 from range(5000)'), int16(0)),
        message('B', text('some'), text(''), int16(0), int16(0), int16(0)),
        message('E', text('some'), int32(2_000)),
        sync,
      )
      const parts = [begun]
      for (let n = 0; n < 2; n++) {
        expect((await send(message('Q', text('select 7')))).filter(({ letter }) => letter === 'D')).to.have.length(1)
        parts.push(await send(message('E', text('some'), int32(2_000)), sync))
      }
      expect(parts.map((part) => part.at(-2)!.letter)).to.deep.equal(['s', 's', 'C'])
      const rows = parts.flat().filter(({ letter }) => letter === 'D')
      expect(rows.map(({ body }) => Number(body.toString('latin1', 6)))).to.deep.equal(
        Array.from({ length: 5_000 }, (_, i) => i + 10),
      )
    } finally {
      stop()
    }
  })
})

const sync = message('S')

type Told = { readonly letter: string; readonly body: Buffer }

/** A client that says each message of the protocol itself, and waits for the server to be ready again. */
const speak = async (port: number) => {
  const socket = connect(port, '127.0.0.1')
  const chunks = socket[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)
  const until = async (last: string): Promise<readonly Told[]> => {
    const told: Told[] = []
    while (told.at(-1)?.letter !== last) {
      while (held.length < 5 || held.length < held.readInt32BE(1) + 1) {
        const { value, done } = await chunks.next()
        if (done) throw new Error('the server hung up')
        held = Buffer.concat([held, value])
      }
      const end = held.readInt32BE(1) + 1
      told.push({ letter: held.toString('latin1', 0, 1), body: held.subarray(5, end) })
      held = held.subarray(end)
    }
    return told
  }
  const send = (...messages: readonly Buffer[]): Promise<readonly Told[]> => {
    socket.write(Buffer.concat(messages))
    return until('Z')
  }
  // The first message has no letter.
  socket.write(message('-', int32(196_608), text('user'), text('ada@example.org'), text('')).subarray(1))
  await until('R')
  await send(message('p', text('correct horse')))
  return { send, stop: () => socket.destroy() }
}
