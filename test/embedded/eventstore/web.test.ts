import { connect } from 'node:http2'
import { expect } from 'chai'
import { startEventStore, type TestEventStore } from '../../support/eventstore.js'

describe('the embedded event store in plain HTTP', () => {
  let store: TestEventStore
  const get = (path: string, options?: RequestInit) => fetch(`http://127.0.0.1:${store.port}${path}`, options)

  before(async () => {
    store = await startEventStore()
  })
  after(() => store.stop())

  it('says that it lives', async () => {
    expect((await get('/health/live')).status).to.equal(204)
    expect((await get('/health/live?liveCode=200', { method: 'HEAD' })).status).to.equal(204)
  })

  it('says how it stands', async () => {
    const answer = await get('/stats')
    expect(answer.headers.get('content-type')).to.equal('application/json')
    const stats = (await answer.json()) as { proc: { id: number }; es: { version: string; writer: { end: number } } }
    expect(stats.proc.id).to.equal(process.pid)
    expect(stats.es.writer.end).to.equal(store.node.store.log.end())
    expect(stats.es.version).to.match(/^\d+\.\d+/)
  })

  it('answers the ping of EventStoreDB’s clients', async () => {
    const answer = (await (await get('/ping')).json()) as { msgTypeId: unknown; text: unknown }
    expect(answer.msgTypeId).to.be.a('number')
    expect(answer.text).to.equal('Ping request successfully handled')
  })

  it('says what it is to whoever asks for anything else', async () => {
    for (const [path, options] of [
      ['/', {}],
      ['/streams/a', { method: 'POST', body: 'x'.repeat(100_000) }],
      ['/stats', { method: 'DELETE' }],
    ] as const) {
      const answer = await get(path, options)
      expect(answer.status, path).to.equal(404)
      expect(await answer.text()).to.match(/gRPC/)
    }
  })

  it('answers the same in HTTP/2', async () => {
    const session = connect(`http://127.0.0.1:${store.port}`)
    const ask = (path: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const request = session.request({ ':path': path }).on('error', reject)
        request.on('response', (headers) => resolve(headers[':status'])).resume()
      })
    expect([await ask('/health/live'), await ask('/stats'), await ask('/')]).to.deep.equal([204, 200, 404])
    session.destroy()
  })
})
