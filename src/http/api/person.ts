import { z } from 'zod'
import type { UserId } from '../../domain/ids.js'
import type { Kept } from '../../history/person.js'
import { userView, viewUser } from './views.js'

export const personView = z.object({
  account: userView,
  streams: z.array(
    z.object({
      stream: z
        .string()
        .meta({ description: 'user: the account; login: its e-mails; cart; order; disclosure: what was looked at of others' }),
      events: z.array(
        z.object({ revision: z.int(), type: z.string(), at: z.string(), by: z.string().nullable(), data: z.looseObject({}) }),
      ),
    }),
  ),
})

type Account = { readonly userId: UserId; readonly name: string; readonly email: string }

export const viewPerson = (account: Account, streams: readonly Kept[]): z.output<typeof personView> => ({
  account: viewUser(account),
  streams: streams.map(({ stream, events }) => ({
    stream,
    events: events.map(({ revision, type, at, actor = null, data }) => ({ revision, type, at, by: actor, data })),
  })),
})
