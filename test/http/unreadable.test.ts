import { connect } from 'node:net'
import { expect } from 'chai'
import { app } from './app.js'

/** What is no request of HTTP, sent over a bare socket. */
const sent = async (bytes: string): Promise<{ status: number; body: { msg?: string } }> => {
  const { hostname, port } = new URL((await app()).url)
  const text = await new Promise<string>((resolve, reject) => {
    let received = ''
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    socket.on('data', (chunk) => (received += chunk.toString()))
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
  })
  const [head = '', body = ''] = text.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), body: JSON.parse(body) }
}

describe('bytes that are no request', () => {
  const cases: readonly (readonly [what: string, bytes: string, status: number])[] = [
    ['two lengths', 'POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na', 400],
    ['an unknown method', 'FOO / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['noise', '\0\0\0\0\r\n\r\n', 400],
    ['headers without end', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    ['an expectation that nobody can meet', 'GET /products HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\n\r\n', 417],
  ]
  for (const [what, bytes, status] of cases) {
    it(`gets a clear ${status} for ${what}`, async () => {
      const answer = await sent(bytes)
      expect(answer.status).to.equal(status)
      expect(answer.body.msg).to.be.a('string').and.not.equal('')
    })
  }
})
