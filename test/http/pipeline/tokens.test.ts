import { createHmac } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { aCustomer, type Person, send } from '../client.js'

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64url')
const header = base64('{"alg":"HS256","typ":"JWT"}')

/** Tokens in their form, which nobody signed: any JSON and any text as header and payload, any signature. */
const inForm = fc
  .tuple(
    fc.oneof(fc.constant(header), fc.json().map(base64), fc.string().map(base64)),
    fc.oneof(fc.constantFrom('null', '0', '"x"', '[]', '{', '').map(base64), fc.json().map(base64), fc.string().map(base64)),
    fc.oneof(fc.constant('AAAA'), fc.string().map(base64)),
  )
  .map((parts) => parts.join('.'))

/** Header values are printable: others never reach a route. */
const printable = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  maxLength: 80,
})

/** A valid token with some characters replaced, left out or put in. */
const mutated = (token: string) =>
  fc
    .tuple(fc.nat(token.length - 1), fc.nat(3), printable)
    .map(([at, gone, put]) => token.slice(0, at) + put + token.slice(at + gone))
    .filter((other) => other !== token)

describe('a token that is not valid', () => {
  let ann: Person
  before(async () => {
    ann = await aCustomer()
  })

  const statuses = async (token: string, name: 'authorization' | 'access_token') => {
    const headers = { [name]: name === 'authorization' ? `Bearer ${token}` : token }
    const needed = await send('GET /cart', { headers })
    const forAnyone = await Promise.all(
      ['GET /products?limit=1', 'GET /health/live', 'GET /metrics'].map((line) => send(line, { headers })),
    )
    return [needed, ...forAnyone].map(({ status }) => status)
  }

  it('is 401 where one is needed, and no matter where none is', async function () {
    this.timeout(60_000)
    const any = fc.oneof(printable, inForm, mutated(ann.token))
    await fc.assert(
      fc.asyncProperty(any, fc.constantFrom('authorization' as const, 'access_token' as const), async (token, name) => {
        expect(await statuses(token, name), token).to.deep.equal([401, 200, 200, 200])
      }),
      { numRuns: 150 },
    )
  })

  it('and also one whose payload is no object, as a well-formed one that nobody signed', async () => {
    for (const payload of ['null', '1', '"x"', '[]', '{', '']) {
      const body = `${header}.${base64(payload)}`
      for (const signature of ['AAAA', createHmac('sha256', 'a guess').update(body).digest('base64url')]) {
        expect(await statuses(`${body}.${signature}`, 'authorization'), payload).to.deep.equal([401, 200, 200, 200])
      }
    }
  })

  it('does not keep anyone from registering and logging in', async () => {
    const headers = { authorization: `Bearer ${header}.ew.AAAA` }
    const { status, text } = await send('POST /login', { headers, body: { email: ann.email, password: 'correct horse' } })
    expect(status, text).to.equal(200)
  })
})
