import type { Role, UserEvent } from '../domain/user.js'
import { projection } from './projection.js'

export type UserRow = { readonly name: string; readonly email: string; readonly role: Role; readonly epoch: number }

/** No row for a stream of voids alone, and none after the erasure: both ways there is nobody. */
export const users = projection<UserRow, UserEvent>({
  name: 'users',
  version: 1,
  category: 'user',
  columns: (table) => {
    table.text('name').notNullable()
    table.text('email').notNullable()
    table.text('role').notNullable()
    table.integer('epoch').notNullable()
  },
  indexes: [{ name: 'staff', on: `(role) where role <> 'customer'` }],
  evolve: (row, event) => {
    if (event.type === 'UserRegistered') {
      const { name, email } = event.data
      return { name, email, role: row?.role ?? 'customer', epoch: row?.epoch ?? 0 }
    }
    // What comes after an erasure, or before a registration, is about nobody.
    if (!row) return undefined
    switch (event.type) {
      case 'PasswordSet':
        return { ...row, epoch: row.epoch + 1 }
      case 'UserRenamed':
        return { ...row, name: event.data.name }
      case 'EmailChanged':
        return { ...row, email: event.data.email }
      case 'RoleGranted':
        return { ...row, role: event.data.role, epoch: row.epoch + 1 }
      case 'UserErased':
        return undefined
      default:
        return row
    }
  },
})
