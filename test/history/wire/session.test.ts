import { expect } from 'chai'
import { type Asker, QueryEnded, type Sql } from '../../../src/history/sql.js'
import { readerOf } from '../../../src/history/wire/frames.js'
import { createSession } from '../../../src/history/wire/session.js'

describe('a request to cancel', () => {
  it('ends a query for which the history is still being read, and not the next one', async () => {
    let reading = 0
    const sql = {
      refresh: (_: string, signal?: AbortSignal) =>
        new Promise<void>((_, reject) => {
          reading++
          signal!.addEventListener('abort', () => reject(new QueryEnded('cancelled', 1)))
        }),
    } as unknown as Sql
    let told = ''
    const session = createSession({
      sql,
      asker: {} as Asker,
      send: async (bytes) => {
        told += bytes.toString('latin1')
      },
      assertAllowed: async () => undefined,
    })
    const query = () => session.handle({ letter: 'Q', body: readerOf(Buffer.from('select count(*) from events\0')) })
    const first = query()
    await new Promise((resolve) => setImmediate(resolve))
    session.cancel()
    await first
    expect(told).to.contain('C57014').and.contain('the query was cancelled')
    void query()
    await new Promise((resolve) => setImmediate(resolve))
    expect(reading).to.equal(2)
    session.cancel()
  })
})
