import type { Row } from './table.js'
import { longName, shortName, sizeOf, type types } from './types.js'

/** The numbers of the schemas, of the one role, and of the catalogue's own table of relations. */
export const inPublic = 2_200
export const inCatalogue = 11
export const inInformation = 13_000
export const owner = 10
export const classOfClasses = 1_259

/** A column of a view: the view's number, the type's, and which one of the view's it is, from 1. */
export type ViewColumn = {
  readonly relation: string
  readonly oid: number
  readonly name: string
  readonly type: number
  readonly means: string
  readonly number: number
}

export const classRow = (oid: number, relname: string, relnamespace: number, relkind: string, relnatts: number): Row => ({
  oid,
  relname,
  relnamespace,
  tableoid: classOfClasses,
  reltype: 0,
  reloftype: 0,
  relowner: owner,
  relam: 0,
  relfilenode: 0,
  reltablespace: 0,
  relpages: 0,
  reltuples: -1,
  relallvisible: 0,
  reltoastrelid: 0,
  relhasindex: false,
  relisshared: false,
  relpersistence: 'p',
  relkind,
  relnatts,
  relchecks: 0,
  relhasrules: false,
  relhastriggers: false,
  relhassubclass: false,
  relrowsecurity: false,
  relforcerowsecurity: false,
  relispopulated: true,
  relreplident: 'n',
  relispartition: false,
  relrewrite: 0,
  relfrozenxid: 0,
  relminmxid: 0,
  relhasoids: false,
})

export const attributeRow = ({ oid, name, type, number }: ViewColumn): Row => ({
  attrelid: oid,
  attname: name,
  atttypid: type,
  attstattarget: -1,
  attlen: sizeOf(type),
  attnum: number,
  attndims: 0,
  attcacheoff: -1,
  atttypmod: -1,
  attbyval: false,
  attstorage: 'p',
  attalign: 'i',
  attnotnull: false,
  atthasdef: false,
  atthasmissing: false,
  attidentity: '',
  attgenerated: '',
  attisdropped: false,
  attislocal: true,
  attinhcount: 0,
  attcollation: 0,
  attcompression: '',
})

export const typeRow = ([oid, name, size, category]: (typeof types)[number]): Row => ({
  oid,
  typname: name,
  typnamespace: inCatalogue,
  typowner: owner,
  typlen: size,
  typbyval: false,
  typtype: name === 'unknown' ? 'p' : 'b',
  typcategory: category,
  typispreferred: false,
  typisdefined: true,
  typdelim: ',',
  typrelid: 0,
  typsubscript: '-',
  typelem: 0,
  typarray: 0,
  typinput: `${name}in`,
  typoutput: `${name}out`,
  typreceive: `${name}recv`,
  typsend: `${name}send`,
  typnotnull: false,
  typbasetype: 0,
  typtypmod: -1,
  typndims: 0,
  typcollation: 0,
})

export const columnRow = ({ relation, name, type, number }: ViewColumn): Row => ({
  table_catalog: 'history',
  table_schema: 'public',
  table_name: relation,
  column_name: name,
  ordinal_position: number,
  is_nullable: 'YES',
  data_type: longName(type),
  udt_catalog: 'history',
  udt_schema: 'pg_catalog',
  udt_name: shortName(type),
  is_identity: 'NO',
  is_generated: 'NEVER',
  is_updatable: 'NO',
})
