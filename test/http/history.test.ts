import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { HistoryEvent } from '../../src/history/engine/event.js'
import { linesOf } from '../../src/http/api/history.js'
import { app } from './app.js'
import { aCustomer, anOrder, aProduct, logIn, type Person, refusedInMsg, send, theAnalyst, theStaff } from './client.js'

type Event = { position: string; stream: string; revision: number; type: string; correlation: string; data: object }

type Row = { id: string; change: string; columns: { column: string; before: unknown; after: unknown }[] }
type Diff = {
  remarks: string[]
  projections: {
    projection: string
    made: number
    changed: number
    gone: number
    requests: { actor: string; correlation: string; position: string; rows: Row[] }[]
  }[]
}

describe('the history over HTTP', () => {
  let analyst: Person
  let ann: Person
  before(async () => {
    analyst = await theAnalyst()
    ann = await aCustomer('ann')
    for (let n = 0; n < 3; n++) await anOrder(ann, [[await aProduct({ price: 2 }), 1]])
  })

  const events = async (query: string) => {
    const { status, body, headers } = await send<Event[]>(`GET /history/events?${query}`, { token: analyst.token })
    expect(status, query).to.equal(200)
    return { events: body, next: /<(.*)>; rel="next"/.exec(headers.get('link') ?? '')?.[1] }
  }
  const walk = async (first: string) => {
    const pages: Event[][] = []
    for (let path: string | undefined = `/history/events?${first}`; path; ) {
      const page: Awaited<ReturnType<typeof events>> = await events(path.slice(path.indexOf('?') + 1))
      pages.push(page.events)
      path = page.next
    }
    return pages
  }

  it('comes in pages, in both directions', async () => {
    const { events: last } = await events('before=9223372036854775807&limit=7')
    expect(last).to.have.length(7)
    const until = BigInt(last.at(-1)!.position) + 1n
    const forwards = (await walk(`stream=order-&to=${until}&limit=2`)).flat()
    const backwards = (await walk(`stream=order-&before=${until}&limit=2`)).reverse().flat()
    expect(forwards).to.have.length.greaterThan(2)
    expect(backwards).to.deep.equal(forwards)
    expect(forwards.map(({ position }) => BigInt(position))).to.deep.equal(
      forwards.map(({ position }) => BigInt(position)).sort((a, b) => Number(a - b)),
    )
  })

  it('is asked by type, actor, request and time, and tells nothing personal or secret', async () => {
    const { events: registered } = await events(`type=UserRegistered,RoleGranted&actor=anonymous&from=1h&limit=1000`)
    expect(registered).not.to.deep.equal([])
    for (const { type, data } of registered) {
      expect(type).to.equal('UserRegistered')
      expect(data).not.to.have.any.keys('name', 'email')
    }
    expect((await events('type=UserRegistered&to=2020-01-01')).events).to.deep.equal([])
    const [placed] = (await events('type=OrderPlaced&before=9223372036854775807&limit=1')).events
    const same = (await events(`correlation=${placed!.correlation}`)).events
    expect(same.map(({ type }) => type)).to.include.members(['OrderRequested', 'StockReserved', 'OrderPlaced'])
    expect((await walk('limit=1000')).flat().filter(({ type }) => type === 'PasswordSet')).to.deep.equal([])
  })

  it('comes whole as lines of JSON', async () => {
    const { token } = analyst
    const headers = { accept: 'application/x-ndjson' }
    const whole = async (query: string) => {
      const response = await fetch(`${(await app()).url}/history/events?${query}`, {
        headers: { ...headers, authorization: `Bearer ${token}` },
      })
      expect(response.headers.get('content-type')).to.equal('application/x-ndjson')
      return (await response.text()).trimEnd().split('\n')
    }
    const lines = await whole('stream=order-')
    const paged = (await walk('stream=order-&limit=1000')).flat()
    expect(lines.map((line) => JSON.parse(line) as Event)).to.deep.equal(paged)
    const after = paged.at(-2)!.position
    expect(await whole(`stream=order-&after=${after}`)).to.deep.equal(lines.slice(-1))
    await refusedInMsg('GET /history/events?limit=3', { token, headers }, 400)
  })

  it('is followed live, and after Last-Event-ID, until the token ends', async () => {
    const reader = await aCustomer('reader')
    const { grant, url } = await app()
    await grant(reader.email, 'analyst')
    const { token } = await logIn(reader.email)
    const [first] = (await events('type=OrderPlaced&before=9223372036854775807&limit=1')).events
    const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream', 'last-event-id': first!.position }
    const response = await fetch(`${url}/history/events?type=OrderPlaced`, { headers })
    expect(response.headers.get('content-type')).to.match(/^text\/event-stream/)
    const next = await anOrder(ann, [[await aProduct({ price: 2 }), 1]])
    let text = ''
    const ended = async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk
        if (text.includes(next._id)) await grant(reader.email, 'customer')
      }
    }
    // Cut off or ended: either way there is no more.
    await ended().catch((error: Error) => expect(error.message).to.equal('terminated'))
    expect(text).to.include(`"stream":"order-${next._id}"`).and.not.include(`id: ${first!.position}\n`)
    expect(text).not.to.include('OrderRequested')
  })

  it('shows one stream, from a revision on', async () => {
    const tea = await aProduct({ price: 2 })
    await anOrder(ann, [[tea, 1]])
    const [reserved] = (await events('type=StockReserved&before=9223372036854775807&limit=1')).events
    const path = `/history/streams/${reserved!.stream}`
    const { body, headers } = await send<Event[]>(`GET ${path}?limit=1`, { token: analyst.token })
    expect(body.map(({ type }) => type)).to.deep.equal(['ProductAdded'])
    expect(headers.get('link')).to.equal(`<${path}?from=1&limit=1>; rel="next"`)
    const rest = await send<Event[]>(`GET ${path}?from=1`, { token: analyst.token })
    expect(rest.body.at(-1)).to.deep.equal(reserved)
  })

  it('tells what changed between two moments, and which request did it', async () => {
    const tea = await aProduct({ stock: 9, price: 2 })
    const from = new Date().toISOString()
    const order = await anOrder(ann, [[tea, 2]])
    const { status, body } = await send<Diff>(`GET /history/diff?from=${from}`, { token: analyst.token })
    expect(status).to.equal(200)
    const [stock] = body.projections.find(({ projection }) => projection === 'products')!.requests
    expect(stock!.rows).to.deep.include({
      id: tea._id,
      change: 'changed',
      columns: [{ column: 'stock', before: 9, after: 7 }],
    })
    const orders = body.projections.find(({ projection }) => projection === 'orders')!
    expect(orders).to.include({ made: 1, gone: 0 })
    expect(orders.requests[0]).to.include({ actor: ann._id, correlation: stock!.correlation })
    expect(orders.requests[0]!.rows[0]).to.include({ id: order._id, change: 'made' })

    const { position } = stock!
    const query = `from=${BigInt(position) - 1n}&to=${position}&projection=products`
    const narrow = (await send<Diff>(`GET /history/diff?${query}`, { token: analyst.token })).body
    expect(narrow.projections).to.have.length(1)
    expect(narrow.projections[0]).to.include({ projection: 'products', changed: 1 })
    const everything = (await send<Diff>('GET /history/diff?from=2020-01-01&projection=users', { token: analyst.token })).body
    expect(everything.remarks[0]).to.match(/^from 2020-01-01T00:00:00.000Z is before the beginning/)
    expect(JSON.stringify(everything)).to.include('left out').and.not.include(ann.email)
    const asked = 'GET /history/diff?from=2020-01-01&projection=users&personal=true'
    await refusedInMsg(asked, { token: analyst.token }, 403)
    const staff = await theStaff()
    expect((await send(asked, { token: staff.token })).text).to.include(ann.email)
    const { events: recorded } = await events(`stream=disclosure-${staff._id}&before=9223372036854775807&limit=1`)
    expect(recorded[0]!.data).to.include({ asked: 'GET /history/diff of users' })
    for (const refused of ['', 'from=x', 'from=2&to=1', 'from=1&projection=ordrs'])
      await refusedInMsg(`GET /history/diff?${refused}`, { token: analyst.token }, 400)
    expect(await refusedInMsg('GET /history/diff?from=1&projection=ordrs', { token: analyst.token }, 400)).to.include('orders')
  })

  it('says what is meant where a name or a time is not known', async () => {
    const { token } = analyst
    expect(await refusedInMsg('GET /history/events?type=OrderPlacd', { token }, 400)).to.include('did you mean OrderPlaced')
    expect(await refusedInMsg('GET /history/events?stream=ordr-1', { token }, 400)).to.include('order-')
    expect(await refusedInMsg('GET /history/events?from=noon', { token }, 400)).to.include('2026-01-31T12:00')
    expect(await refusedInMsg('GET /history/streams/product-999999999', { token }, 404)).to.include('there is no stream')
    expect(await refusedInMsg('GET /history/streams/prodct-1', { token }, 400)).to.include('product-')
    for (const query of ['after=x', 'before=-1', 'after=1&before=2', 'limit=0', 'limit=1001', 'type=', 'actor='])
      await refusedInMsg(`GET /history/events?${query}`, { token }, 400)
    const headers = { accept: 'text/event-stream', 'last-event-id': 'x' }
    expect(await refusedInMsg('GET /history/events', { token, headers }, 400)).to.match(/^Last-Event-ID/)
  })

  it('is for analysts and staff', async () => {
    for (const path of ['/history/events', '/history/streams/product-1', '/history/diff?from=1h']) {
      await refusedInMsg(`GET ${path}`, {}, 401)
      await refusedInMsg(`GET ${path}`, { token: ann.token }, 403)
    }
    expect((await send('GET /history/events?limit=1', { token: (await theStaff()).token })).status).to.equal(200)
  })

  it('is read no further than its reader takes it', async () => {
    let given = 0
    let stopped = false
    const event = { id: 'i', position: 1n, stream: 's', revision: 0, type: 'T', at: '', data: { text: 'x'.repeat(1_000) } }
    async function* batches(): AsyncGenerator<readonly HistoryEvent[]> {
      for (; given < 1_000_000; given++) yield [event as unknown as HistoryEvent]
    }
    const lines = linesOf(batches(), () => {
      stopped = true
    })
    lines.read(1)
    await sleep(50)
    expect(given).to.be.within(1, 40)
    lines.destroy()
    await sleep(5)
    expect(stopped).to.equal(true)
  })
})
