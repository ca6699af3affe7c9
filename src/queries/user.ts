import type { UserId } from '../domain/ids.js'
import type { Role } from '../domain/user.js'
import { idOfStream } from '../projections/projection.js'
import { type UserRow, users } from '../projections/user.js'
import { type UserRead, userView } from '../projections/views.js'
import { ofCheckpoint, type Query, type QueryResult, type Read } from './engine/read.js'
import { oneRow, oneRowOf, presentRows, type RowOf, selectRows } from './engine/select.js'

export type Session = { readonly userId: UserId; readonly role: Role; readonly epoch: number }

export const createUsers = (read: Read) => ({
  user: (userId: UserId): Promise<QueryResult<UserRead | undefined>> =>
    oneRow<UserRow, UserRead>(read, one, `${users.category}-${userId}`, (row) => userView(row.stream_id, row)),

  /** So many at most of those who are registered (with the role), in the order of their e-mails. */
  people: async ({ role, limit }: { role?: Role; limit: number }): Promise<QueryResult<readonly UserRead[]>> => {
    const { rows, position } = await read<RowOf<UserRow>>(people, [role ?? null, limit])
    return { value: presentRows(rows).map((row) => userView(row.stream_id, row)), position }
  },

  /** Everybody's role and epoch. Who was erased is not in it. */
  sessions: async (): Promise<QueryResult<readonly Session[]>> => {
    const { rows, position } = await read<RowOf<UserRow>>(sessions)
    const value = presentRows(rows).map(({ stream_id, role, epoch }) => ({
      userId: idOfStream(stream_id),
      role,
      epoch,
    }))
    return { value, position }
  },

  staffExists: async (): Promise<QueryResult<boolean>> => {
    const { rows, position } = await read<{ staff: boolean }>(anyStaff)
    return { value: rows[0]!.staff, position }
  },
})

const one = oneRowOf(users)

const people: Query = {
  name: 'people',
  definitions: [users],
  text: (live) => selectRows(live.table(users), ['email', 'stream_id'], 'where ($1::text is null or role = $1) {order} limit $2'),
}

const sessions: Query = {
  name: 'sessions',
  definitions: [users],
  text: (live) => `select ${ofCheckpoint}, t.stream_id, t.role, t.epoch from tillroll.checkpoint c
    left join ${live.table(users)} t on true where c.name = 'projections'`,
}

const anyStaff: Query = {
  name: 'any staff',
  definitions: [users],
  text: (live) => `select ${ofCheckpoint}, exists (select 1 from ${live.table(users)} where role = 'staff') as staff
    from tillroll.checkpoint c where c.name = 'projections'`,
}
