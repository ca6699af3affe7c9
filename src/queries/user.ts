import type { UserId } from '../domain/ids.js'
import type { Role } from '../domain/user.js'
import { idOfStream } from '../projections/projection.js'
import { type UserRow, users } from '../projections/user.js'
import { type UserView, userView } from '../projections/views.js'
import type { Answer, Read } from './engine/read.js'
import { oneRow, type RowOf } from './engine/select.js'

export type Session = { readonly userId: UserId; readonly role: Role; readonly epoch: number }

export const createUsers = (read: Read) => ({
  user: (userId: UserId): Promise<Answer<UserView | undefined>> =>
    oneRow<UserRow, UserView>(read, users, userId, (row) => userView(row.stream_id, row)),

  /** Everybody's role and epoch. Who was erased is not in it. */
  sessions: async (): Promise<Answer<readonly Session[]>> => {
    const { rows, position } = await read<RowOf<UserRow>>([users], (query, tables) =>
      query.leftJoin(`${tables.users} as t`, query.client.raw('true')).select('t.stream_id', 't.role', 't.epoch'),
    )
    const value = rows
      .filter((row) => row.stream_id !== null)
      .map(({ stream_id, role, epoch }) => ({ userId: idOfStream(stream_id) as UserId, role, epoch }))
    return { value, position }
  },

  staffExists: async (): Promise<Answer<boolean>> => {
    const { rows, position } = await read<{ staff: boolean }>([users], (query, tables) =>
      query.select(query.client.raw(`exists (select 1 from ${tables.users} where role = 'staff') as staff`)),
    )
    return { value: rows[0]!.staff, position }
  },
})
