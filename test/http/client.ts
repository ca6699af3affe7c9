import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { app, lastPosition } from './app.js'

export type Reply<Body = unknown> = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Body
}

export type Request = {
  readonly token?: string
  readonly body?: unknown
  /** Sent as it is, instead of `body`. */
  readonly raw?: NonNullable<RequestInit['body']>
  readonly headers?: { readonly [name: string]: string }
}

/** Sends `POST /path` and the like to the app that all files share. */
export const send = async <Body = unknown>(
  line: string,
  { token, body, raw, headers = {} }: Request = {},
): Promise<Reply<Body>> =>
  sendTo<Body>((await app()).url, line, {
    headers: { ...(token && { authorization: `Bearer ${token}` }), ...headers },
    ...(body !== undefined && { body }),
    ...(raw !== undefined && { raw }),
  })

export const sendTo = async <Body = unknown>(
  url: string,
  line: string,
  { body, raw, headers = {} }: Request,
): Promise<Reply<Body>> => {
  const [method = '', path = ''] = line.split(' ')
  const response = await fetch(url + path, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(raw !== undefined && { body: raw, duplex: 'half' }),
  })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: (isJson && text !== '' ? JSON.parse(text) : undefined) as Body,
  }
}

/** O's envelope of a success, with what is in it. */
export type Envelope<Inner> = { readonly status: number; readonly message: string; readonly data: { readonly data: Inner } }

/** O's error, as documented. */
export const failure = (status: number, data: string) => ({ status, message: 'error', data: { data } })

/** Sends a request that must be refused, and must leave the history as it was. */
export const refused = async (line: string, request: Request, status: number): Promise<Reply> => {
  const before = await lastPosition()
  const reply = await send(line, request)
  expect(reply.status, `${line}: ${reply.text}`).to.equal(status)
  expect(await lastPosition(), `${line} left an event behind`).to.equal(before)
  return reply
}

/** The same in O's dialect: answers the words of the error. */
export const refusedInEnvelope = async (line: string, request: Request, status: number): Promise<string> => {
  const { body } = (await refused(line, request, status)) as Reply<Envelope<string>>
  expect(body.status).to.equal(status)
  expect(body.message).to.equal('error')
  expect(body.data.data).to.be.a('string').and.not.equal('')
  return body.data.data
}

/** The same in C's dialect. */
export const refusedInMsg = async (line: string, request: Request, status: number): Promise<string> => {
  const { body } = (await refused(line, request, status)) as Reply<{ msg: string }>
  expect(body.msg).to.be.a('string').and.not.equal('')
  return body.msg
}

export const anEmail = (): string => `${randomUUID()}@example.org`
export const password = 'correct horse'

export type Person = {
  readonly id: number
  readonly _id: string
  readonly email: string
  readonly name: string
  readonly token: string
}

export const logIn = async (email: string, word = password): Promise<Person> => {
  const { status, body, text } = await send<Envelope<Omit<Person, 'token'> & { access_token: string }>>('POST /users/login', {
    body: { email, password: word },
  })
  expect(status, text).to.equal(200)
  const { access_token: token, ...rest } = body.data.data
  return { ...rest, token }
}

export const aCustomer = async (name = 'Ann'): Promise<Person> => {
  const email = anEmail()
  const body = { name, email, password, confirm_password: password }
  const { status, text } = await send('POST /users/register', { body })
  expect(status, text).to.equal(201)
  return logIn(email)
}

const withRole = async (role: 'staff' | 'analyst'): Promise<Person> => {
  const { email } = await aCustomer(role)
  await (await app()).grant(email, role)
  return logIn(email)
}

/** One for each app that these tests are given. */
const forEachApp = (make: () => Promise<Person>): (() => Promise<Person>) => {
  const made = new WeakMap<object, Promise<Person>>()
  return async () => {
    const here = await app()
    if (!made.has(here)) made.set(here, make())
    return made.get(here)!
  }
}

export const theStaff = forEachApp(() => withRole('staff'))
export const theAnalyst = forEachApp(() => withRole('analyst'))

export type Product = {
  readonly id: number
  readonly _id: string
  readonly name: string
  readonly stock: number
  readonly price?: number
}

export const aProduct = async (fields: Partial<Product> = {}): Promise<Product> => {
  const { token } = await theStaff()
  const { status, body, text } = await send<Envelope<Product>>('POST /products/new', {
    token,
    body: { name: 'Tea', stock: 10, ...fields },
  })
  expect(status, text).to.equal(201)
  return body.data.data
}

/** What is in stock now, as staff's reader sees it. */
export const stockOf = async ({ _id }: Product): Promise<number> => {
  const { token } = await theStaff()
  const { body } = await send<Envelope<Product>>(`GET /products/${_id}`, { token, headers: await readAfterAll() })
  return body.data.data.stock
}

/** Asks for a read that shows all that was written so far, by whomever. */
export const readAfterAll = async (): Promise<{ 'Read-After': string }> => ({
  'Read-After': String(await lastPosition()),
})

export type Order = {
  readonly _id: string
  readonly id: number
  readonly customer_id: string
  readonly price: number
  readonly items: readonly { readonly product_id: string; readonly quantity: number; readonly price?: number }[]
  readonly status: string
}

/** Orders so many of each product, at its price or for 1. */
export const anOrder = async (customer: Person, wanted: readonly (readonly [Product, number])[]): Promise<Order> => {
  const { status, body, text } = await send<Envelope<Order>>('POST /orders/new', {
    token: customer.token,
    body: orderOf(customer, wanted),
  })
  expect(status, text).to.equal(201)
  return body.data.data
}

export const orderOf = (customer: Person, wanted: readonly (readonly [Product, number])[]) => {
  const cents = wanted.reduce((sum, [{ price = 0 }, quantity]) => sum + Math.round(price * 100) * quantity, 0)
  return {
    customer_id: customer._id,
    price: cents / 100 || 1,
    items: wanted.map(([{ _id }, quantity]) => ({ product_id: _id, quantity })),
    status: 'new',
  }
}
