import { evolveProfile, noProfile, type Profile, type UserEvent } from '../domain/user.js'
import { projection } from './projection.js'

export type UserRow = Profile

/** No row for a stream of voids alone, and none after the erasure: both ways there is nobody. */
export const users = projection<UserRow, UserEvent>({
  name: 'users',
  // 2: a user can be signed out, which raises the epoch.
  version: 2,
  category: 'user',
  columns: (table) => {
    table.text('name').notNullable()
    table.text('email').notNullable()
    table.text('role').notNullable()
    table.integer('epoch').notNullable()
  },
  indexes: [{ name: 'staff', on: `(role) where role <> 'customer'` }],
  evolve: (row, event) => {
    // What comes after an erasure, or before a registration, is about nobody.
    if ((!row && event.type !== 'UserRegistered') || event.type === 'UserErased') return undefined
    return evolveProfile(row ?? noProfile, event)
  },
})
