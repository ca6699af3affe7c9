import { emptyTables } from './empty.js'
import { filledTables } from './filled.js'
import { functions } from './functions.js'
import { createTable, schema } from './table.js'

/** What is told in other words elsewhere in the catalogue. */
const catalogueViews: { readonly [name: string]: string } = {
  pg_tables: `select '' as schemaname, '' as tablename, '' as tableowner, null::varchar as tablespace, false as hasindexes, false as hasrules, false as hastriggers where false`,
  pg_views: `select 'public' as schemaname, relname as viewname, 'analyst' as viewowner, '' as definition from ${schema}.pg_class where relkind = 'v'`,
  pg_user: `select rolname as usename, oid as usesysid, rolcreatedb as usecreatedb, rolsuper as usesuper, rolreplication as userepl, rolbypassrls as usebypassrls, rolvaliduntil as valuntil from ${schema}.pg_roles`,
}

const inInformation = /^is_/

/** The names of the tables of `pg_catalog`, and of those of `information_schema`. */
export const catalogueTables: ReadonlySet<string> = new Set(
  [...filledTables, ...emptyTables]
    .map(([name]) => name)
    .filter((name) => !inInformation.test(name))
    .concat(Object.keys(catalogueViews)),
)
export const informationTables: ReadonlySet<string> = new Set(
  [...filledTables, ...emptyTables]
    .map(([name]) => name)
    .filter((name) => inInformation.test(name))
    .map((name) => name.replace(inInformation, '')),
)

/**
 * SQL that makes Postgres's own catalogue, as far as tools look into it: DuckDB has one too, but with its own numbers for types, and without
 * what many tools ask for. It is a schema of its own, to which `forCatalogue` turns the names that tools use.
 */
export const catalogueSchema = (): readonly string[] => [
  `create schema ${schema}`,
  ...[...filledTables, ...emptyTables].flatMap(createTable),
  ...Object.entries(catalogueViews).map(([name, definition]) => `create view ${schema}.${name} as ${definition}`),
  ...Object.entries(functions).map(([name, definition]) => `create macro ${schema}.${name}${definition}`),
]
