import type { Router } from '@koa/router'
import bcrypt from 'bcrypt'
import jwt from 'jsonwebtoken'
import pg from 'pg'
import { z } from 'zod'
import { hexOf } from '../ids.js'
import { bodyOf, enveloped, Refused } from '../pipeline.js'
import { type Shop, statement } from '../shop.js'

const email = z
  .string()
  .trim()
  .toLowerCase()
  .max(254)
  .regex(/^[^\s@]+@[^\s@]+$/)
const password = z.string().min(8).max(128)
const credentials = z.object({ email, password })
const newUser = z
  .object({ name: z.string().min(1).max(200), email, password, confirm_password: z.string() })
  .refine((user) => user.password === user.confirm_password, 'confirm_password: must be the same as password')
const guess = z.object({ email, password: z.string() })

const add = statement('add-user', 'insert into users (name, email, password) values ($1, $2, $3) returning id')
const find = statement('find-user', 'select id, name, password, role from users where email = $1')

type UserRow = readonly [id: number, name: string, password: string, role: string]

const register = async (shop: Shop, name: string, { email, password }: z.output<typeof credentials>): Promise<number> => {
  const hash = await bcrypt.hash(password, shop.bcryptCost)
  try {
    const [row] = await add<[number]>(shop, [name, email, hash])
    return row![0]
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === '23505') throw new Refused(409, 'the e-mail is taken')
    throw error
  }
}

const logIn = async (shop: Shop, { email, password }: z.output<typeof guess>) => {
  const [row] = await find<UserRow>(shop, [email])
  if (!row || !(await bcrypt.compare(password, row[2]))) throw new Refused(401, 'wrong e-mail or password')
  const [id, name, , role] = row
  const token = jwt.sign({ role }, shop.key, { algorithm: 'HS256', subject: String(id), expiresIn: 86_400 })
  return { id, name, token }
}

export const userRoutes = (router: Router, shop: Shop): void => {
  router.post('/register', async (ctx) => {
    const body = await bodyOf(ctx, credentials)
    const id = await register(shop, '', body)
    ctx.status = 201
    ctx.body = { id, _id: hexOf(id), email: body.email }
  })

  router.post('/users/register', async (ctx) => {
    const body = await bodyOf(ctx, newUser)
    const id = await register(shop, body.name, body)
    const view = { id, _id: hexOf(id), InsertedID: hexOf(id), name: body.name, email: body.email, password: '********' }
    ctx.status = 201
    ctx.body = enveloped(201, view)
  })

  router.post('/login', async (ctx) => {
    const { token } = await logIn(shop, await bodyOf(ctx, guess))
    ctx.body = { access_token: token }
  })

  router.post('/users/login', async (ctx) => {
    const body = await bodyOf(ctx, guess)
    const { id, name, token } = await logIn(shop, body)
    ctx.body = enveloped(200, { id, _id: hexOf(id), name, email: body.email, access_token: token }, 'sucess')
  })
}
