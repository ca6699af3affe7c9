import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { checkPort, type Listening, listen, PortUnusable } from '../../src/platform/listen.js'

describe('listen', () => {
  const waiting: ServerResponse[] = []
  let listening: Listening

  beforeEach(async () => {
    listening = await listen((_, response) => void waiting.push(response), '127.0.0.1', 0)
  })

  afterEach(async () => {
    waiting.splice(0)
    await listening.drain(0)
  })

  /** A request that has reached its handler, and waits there. */
  const ask = async () => {
    const answer = fetch(listening.address).then((response) => response.text())
    answer.catch(() => undefined)
    while (waiting.length === 0) await sleep(1)
    return { answer, response: waiting[0]! }
  }

  const refused = (url: string) =>
    fetch(url).then(
      () => false,
      ({ cause }) => cause.code === 'ECONNREFUSED',
    )

  it('answers what is under way before it ends, and nothing new', async () => {
    const { answer, response } = await ask()
    const drained = listening.drain(600_000)
    expect(await refused(listening.address)).to.equal(true)
    response.end('done')
    expect(await answer).to.equal('done')
    await drained
  })

  it('cuts off what takes longer than its patience', async () => {
    const { answer } = await ask()
    await listening.drain(10)
    const outcome = await answer.then(
      () => 'answered',
      () => 'cut',
    )
    expect(outcome).to.equal('cut')
  })

  it('does not wait for connections that are only kept open', async () => {
    const { answer, response } = await ask()
    response.end('done')
    await answer
    await listening.drain(600_000)
  })

  for (const [hosts, words] of [
    ['', 'a request names its Host'],
    ['Host: a\r\nHost: b\r\n', 'a request names its Host once'],
    ['Host: a\r\nHost: a\r\n', 'a request names its Host once'],
  ] as const)
    it(`says what is wrong with a request that names ${hosts.match(/Host/g)?.length ?? 'no'} host(s)`, async () => {
      const socket = connect(Number(new URL(listening.address).port), '127.0.0.1')
      socket.end(`GET / HTTP/1.1\r\n${hosts}\r\n`)
      const answer = await text(socket)
      expect(answer).to.match(/^HTTP\/1\.1 400 /)
      expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).to.deep.equal({ msg: words })
      expect(waiting).to.have.length(0)
    })

  it('says which port is taken, and what to do', async () => {
    const { port } = new URL(listening.address)
    for (const attempt of [listen(() => undefined, '127.0.0.1', Number(port)), checkPort('127.0.0.1', Number(port))]) {
      const error = await attempt.then(
        () => undefined,
        (error: unknown) => error,
      )
      expect(error).to.be.instanceOf(PortUnusable)
      expect((error as Error).message)
        .to.contain(port)
        .and.contain('PORT')
    }
    const error = await checkPort('192.0.2.1', 0).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect((error as Error).message)
      .to.contain('192.0.2.1')
      .and.contain('HOST')
  })
})
