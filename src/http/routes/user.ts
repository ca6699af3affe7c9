import { z } from 'zod'
import type { Account } from '../../commands/account.js'
import { Rejected } from '../../domain/decider.js'
import { personData } from '../../history/person.js'
import { asOfQuery, currentOrAsOf } from '../api/as-of.js'
import { askers, explained, explanationView } from '../api/explain.js'
import { personView, viewPerson } from '../api/person.js'
import { credentials, login, newUser, userEdit } from '../api/schemas.js'
import { userView, viewUser } from '../api/views.js'
import { hasRole } from '../pipeline/auth.js'
import { createDisclosure } from '../pipeline/disclosure.js'
import { Refusal } from '../pipeline/errors.js'
import { type Route, route, unlessParked } from '../pipeline/route.js'
import type { Http } from '../pipeline/services.js'

const token = z
  .string()
  .meta({ description: 'A JSON Web Token: send it as Authorization: Bearer, or as the header access_token' })
const registered = userView.pick({ id: true, _id: true, email: true })
const registeredInFull = userView.extend({ InsertedID: z.string(), password: z.string().meta({ description: 'A mask' }) })

export const userRoutes = (http: Http): readonly Route[] => {
  const { commands, queries, history, limits, sessions, tokens } = http

  const disclosed = createDisclosure(commands)

  /** Lets the tokens of this account pass here at once, without waiting for the subscription. */
  const tokenFor = (account: Account, position: bigint): string => {
    sessions.raise(account.userId, account)
    return tokens.sign(account, position)
  }

  return [
    route({
      method: 'POST',
      path: '/register',
      summary: 'Register with an e-mail and a password',
      who: 'anyone',
      dialect: 'plain',
      kind: 'command',
      body: credentials,
      answers: { status: 201, view: registered, errors: [409] },
      handle: async ({ body, context }) => {
        const { value, revision, position } = await commands.users.register(context, body)
        sessions.raise(value.userId, value)
        const { name: _, ...view } = viewUser(value)
        return { view, object: viewUser(value), revision, position, writer: value.userId }
      },
    }),

    route({
      method: 'POST',
      path: '/users/register',
      summary: 'Register with a name, an e-mail and a password',
      who: 'anyone',
      dialect: 'envelope',
      kind: 'command',
      body: newUser,
      answers: { status: 201, view: registeredInFull, errors: [409] },
      handle: async ({ body: { name, email, password }, context }) => {
        const { value, revision, position } = await commands.users.register(context, { name, email, password })
        sessions.raise(value.userId, value)
        const object = viewUser(value)
        const view = { ...object, InsertedID: object._id, password: '********' }
        return { view, object, revision, position, writer: value.userId }
      },
    }),

    route({
      method: 'POST',
      path: '/login',
      summary: 'Log in',
      who: 'anyone',
      dialect: 'plain',
      kind: 'other',
      body: login,
      answers: { status: 200, view: z.object({ access_token: token }), errors: [401, 429] },
      handle: async ({ body, address, context }) => {
        const { value, position } = await limits.guess(body.email, address, () => commands.users.logIn(context, body))
        return { view: { access_token: tokenFor(value, position) }, position, writer: value.userId }
      },
    }),

    route({
      method: 'POST',
      path: '/users/login',
      summary: 'Log in',
      who: 'anyone',
      dialect: 'envelope',
      kind: 'other',
      body: login,
      answers: { status: 200, message: 'sucess', view: userView.extend({ access_token: token }), errors: [401, 429] },
      handle: async ({ body, address, context }) => {
        const { value, position } = await limits.guess(body.email, address, () => commands.users.logIn(context, body))
        return { view: { ...viewUser(value), access_token: tokenFor(value, position) }, position, writer: value.userId }
      },
    }),

    route({
      method: 'PUT',
      path: '/users/edit/:id',
      summary: "Change one's own name, e-mail or password",
      who: 'user',
      dialect: 'envelope',
      kind: 'command',
      missing: 'UserNotFound',
      body: userEdit,
      says: { WrongPassword: [401, 'old_password is wrong'] },
      answers: { status: 200, view: userView.extend({ access_token: token.optional() }), errors: [404, 409, 412, 429] },
      handle: async ({ id, caller, body, address, context }) => {
        if (id !== caller.userId) throw new Rejected('UserNotFound')
        if (body._id !== undefined && body._id !== id) throw new Refusal(400, '_id: must be the id of the path')
        const { _id, old_password: oldPassword, new_password: newPassword, ...rest } = body
        const edit = { userId: id, oldPassword, ...(newPassword !== undefined && { newPassword }), ...rest }
        const { value, revision, position } = await limits.guess(id, address, () => commands.users.edit(context, edit))
        const object = viewUser(value)
        // A new password ends all tokens that were given before, this request's too.
        const view = newPassword === undefined ? object : { ...object, access_token: tokenFor(value, position) }
        return { view, object, revision, position }
      },
    }),

    route({
      method: 'GET',
      path: '/users/:id/data',
      summary: 'All that is held of a person: for that person, and for staff, of whom it is put on record',
      who: 'user',
      dialect: 'envelope',
      kind: 'read',
      missing: 'UserNotFound',
      answers: { status: 200, view: personView, errors: [404] },
      handle: async ({ id, caller, context }) => {
        const isOwn = id === caller.userId
        if (!isOwn && !(await hasRole(caller, ['staff'], sessions))) throw new Rejected('UserNotFound')
        const { value } = unlessParked(await queries.user(id))
        if (!value) throw new Rejected('UserNotFound')
        if (!isOwn) await disclosed({ caller, context }, true, `GET /users/${id}/data`)
        const { value: orders } = await queries.ordersOf(id)
        return { view: viewPerson(value, await personData(history.source.store, id, orders)) }
      },
    }),

    route({
      method: 'GET',
      path: '/users/:id',
      summary: 'Read a user, as of a revision, a time or a position if asked; or why it is as it is',
      who: 'user',
      askers,
      dialect: 'envelope',
      kind: 'read',
      missing: 'UserNotFound',
      query: asOfQuery,
      answers: { status: 200, view: z.union([userView, explanationView]), errors: [403, 404] },
      handle: async ({ id, caller, query }) => {
        const { explain } = query
        if (explain) return explained(http, 'users', id, { ...query, explain })
        const read = currentOrAsOf(
          query,
          () => queries.user(id),
          (then) => history.asOf.user(id, then),
        )
        const { value, revision, parked } = await read
        if (!value || (id !== caller.userId && !(await hasRole(caller, ['staff'], sessions)))) throw new Rejected('UserNotFound')
        return { view: viewUser(value), revision, parked }
      },
    }),
  ]
}
