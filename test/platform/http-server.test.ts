import type { RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect } from 'chai'
import { sleep } from '../../src/platform/async.js'
import { type Listening, type ListenSettings, listen } from '../../src/platform/listen.js'

/** What slow and greedy clients meet; the times are tens of what they are in a shop. */
describe('connections', () => {
  let listening: Listening | undefined
  const sockets: Socket[] = []
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await listening?.drain(0)
    listening = undefined
  })

  const times = { headersTimeout: 200, bodyTimeout: 400, stalledTimeout: 400 }
  const serve = async (handler: RequestListener, settings: ListenSettings = { times }): Promise<void> => {
    listening = await listen(handler, '127.0.0.1', 0, settings)
  }

  type Client = { readonly socket: Socket; readonly received: () => string; readonly closed: Promise<number> }

  /** `closed`: after how many milliseconds the server has ended the connection. */
  const client = async (): Promise<Client> => {
    const socket = connect(Number(new URL(listening!.address).port), '127.0.0.1')
    sockets.push(socket)
    let received = ''
    socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
    socket.on('error', () => undefined)
    const began = performance.now()
    const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now() - began)))
    await new Promise((resolve) => socket.once('connect', resolve))
    return { socket, received: () => received, closed }
  }

  /** Sends it byte for byte, one in so many milliseconds, until nobody takes them. */
  const drip = async ({ socket }: Client, bytes: string, every: number): Promise<void> => {
    for (const byte of bytes) {
      if (socket.destroyed || !socket.writable) return
      socket.write(byte)
      await sleep(every)
    }
  }

  const within = async (milliseconds: number, closed: Promise<number>): Promise<number> => {
    const took = await Promise.race([closed, sleep(milliseconds).then(() => Number.POSITIVE_INFINITY)])
    expect(took, 'it stays open').to.be.lessThan(milliseconds)
    return took
  }

  const post = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n'

  it('that take long for their headers are ended', async () => {
    await serve((_, response) => void response.end('ok'))
    const slow = await client()
    void drip(slow, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(1_000)}`, 20)
    await within(4_000, slow.closed)
    expect(slow.received()).to.match(/^HTTP\/1\.1 408 /)
  })

  it('that take long for their body are ended, with an answer where they had none', async () => {
    await serve(() => undefined)
    const slow = await client()
    slow.socket.write(post)
    void drip(slow, 'x'.repeat(1_000), 20)
    await within(4_000, slow.closed)
    expect(slow.received()).to.match(/^HTTP\/1\.1 408 /)
  })

  it('that were answered before their body had come are ended too, and are not answered again', async () => {
    await serve((request, response) => {
      request.resume()
      response.statusCode = 401
      response.end('no')
    })
    const slow = await client()
    slow.socket.write(post)
    void drip(slow, 'x'.repeat(1_000), 20)
    await within(4_000, slow.closed)
    expect(slow.received().match(/HTTP\/1\.1/g)).to.have.length(1)
  })

  it('that ask and ask, and never read, are ended', async () => {
    let ended!: (milliseconds: number) => void
    const closed = new Promise<number>((resolve) => (ended = resolve))
    await serve(({ socket }, response) => {
      if (socket.listenerCount('close', ended) === 0) socket.once('close', ended)
      response.end('x'.repeat(100_000))
    })
    const greedy = await client()
    greedy.socket.pause()
    greedy.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2_000))
    // One that reads nothing hears of the end only when it looks; so it is looked at from the other side.
    expect(await Promise.race([closed.then(() => 'closed'), sleep(10_000).then(() => 'open')])).to.equal('closed')
  })

  it('that wait for an answer, or for the next piece of one, may wait', async () => {
    await serve((_, response) => {
      response.write('first')
      setTimeout(() => response.end('last'), 1_500)
    })
    const patient = await client()
    patient.socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await patient.closed
    expect(patient.received()).to.match(/first[\s\S]*last/)
  })

  it('that read slowly, but read, may go on', async () => {
    const size = 20_000_000
    await serve((_, response) => void response.end(Buffer.alloc(size, 'x')))
    const slow = await client()
    slow.socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    for (let n = 0; n < 8; n++) {
      slow.socket.pause()
      await sleep(200)
      slow.socket.resume()
      await sleep(10)
    }
    await slow.closed
    expect(slow.received().length).to.be.greaterThan(size)
  })

  it('are so many, in all and from one address, and become free again', async () => {
    const limits = { maxConnections: 3, maxConnectionsPerAddress: 2, trustedProxies: [] }
    await serve((_, response) => void response.end('ok'), { connections: limits })
    const [one] = [await client(), await client()]
    const tooMany = await client()
    await within(4_000, tooMany.closed)
    expect(tooMany.received()).to.match(/^HTTP\/1\.1 429 [\s\S]*Retry-After/)
    one.socket.destroy()
    await sleep(100)
    const next = await client()
    next.socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await next.closed
    expect(next.received()).to.match(/^HTTP\/1\.1 200 /)
  })

  it('of a proxy of ours are not counted by its address, and in all they are', async () => {
    const limits = { maxConnections: 3, maxConnectionsPerAddress: 1, trustedProxies: ['127.0.0.0/8'] }
    await serve((_, response) => void response.end('ok'), { connections: limits })
    for (let n = 0; n < 3; n++) await client()
    const tooMany = await client()
    await within(4_000, tooMany.closed)
    expect(tooMany.received()).to.match(/^HTTP\/1\.1 503 /)
  })

  it('carry paths of a length that can be looked at', async () => {
    await serve((_, response) => void response.end('ok'))
    const long = await client()
    long.socket.write(`GET /${'x'.repeat(9_000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    await long.closed
    expect(long.received()).to.match(/^HTTP\/1\.1 414 /)
  })
})
