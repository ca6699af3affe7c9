import { views } from '../../engine/views.js'
import { settings } from '../local.js'
import {
  attributeRow,
  classOfClasses,
  classRow,
  columnRow,
  inCatalogue,
  inInformation,
  inPublic,
  owner,
  typeRow,
  type ViewColumn,
} from './rows.js'
import type { Table } from './table.js'
import { oidOfColumn, types } from './types.js'

const relations = views().map((view, i) => ({ ...view, oid: 16_384 + i }))
const columns: readonly ViewColumn[] = relations.flatMap(({ oid, name: relation, columns: own }) =>
  own.map(({ name, type, means }, i) => ({ relation, oid, name, type: oidOfColumn(type), means, number: i + 1 })),
)

/** Tables of the catalogue itself whose numbers tools ask for by name. */
const ownTables: readonly (readonly [oid: number, name: string])[] = [
  [1_247, 'pg_type'],
  [1_249, 'pg_attribute'],
  [1_255, 'pg_proc'],
  [classOfClasses, 'pg_class'],
  [2_606, 'pg_constraint'],
  [2_609, 'pg_description'],
  [2_615, 'pg_namespace'],
]

/** Each view of the history is a view, in the schema `public` of the database `history`, of one owner. */
export const filledTables: readonly Table[] = [
  [
    'pg_namespace',
    'oid BIGINT, nspname VARCHAR, nspowner BIGINT, nspacl VARCHAR',
    [
      { oid: inPublic, nspname: 'public', nspowner: owner },
      { oid: inCatalogue, nspname: 'pg_catalog', nspowner: owner },
      { oid: inInformation, nspname: 'information_schema', nspowner: owner },
    ],
  ],
  [
    'pg_class',
    'oid BIGINT, tableoid BIGINT, relname VARCHAR, relnamespace BIGINT, reltype BIGINT, reloftype BIGINT, relowner BIGINT, relam BIGINT, relfilenode BIGINT, reltablespace BIGINT, relpages INTEGER, reltuples FLOAT, relallvisible INTEGER, reltoastrelid BIGINT, relhasindex BOOLEAN, relisshared BOOLEAN, relpersistence VARCHAR, relkind VARCHAR, relnatts SMALLINT, relchecks SMALLINT, relhasrules BOOLEAN, relhastriggers BOOLEAN, relhassubclass BOOLEAN, relrowsecurity BOOLEAN, relforcerowsecurity BOOLEAN, relispopulated BOOLEAN, relreplident VARCHAR, relispartition BOOLEAN, relrewrite BIGINT, relfrozenxid BIGINT, relminmxid BIGINT, relacl VARCHAR, reloptions VARCHAR[], relpartbound VARCHAR, relhasoids BOOLEAN',
    [
      ...relations.map(({ oid, name, columns: { length } }) => classRow(oid, name, inPublic, 'v', length)),
      ...ownTables.map(([oid, name]) => classRow(oid, name, inCatalogue, 'r', 0)),
    ],
  ],
  [
    'pg_attribute',
    'attrelid BIGINT, attname VARCHAR, atttypid BIGINT, attstattarget INTEGER, attlen SMALLINT, attnum SMALLINT, attndims INTEGER, attcacheoff INTEGER, atttypmod INTEGER, attbyval BOOLEAN, attstorage VARCHAR, attalign VARCHAR, attnotnull BOOLEAN, atthasdef BOOLEAN, atthasmissing BOOLEAN, attidentity VARCHAR, attgenerated VARCHAR, attisdropped BOOLEAN, attislocal BOOLEAN, attinhcount INTEGER, attcollation BIGINT, attcompression VARCHAR, attacl VARCHAR, attoptions VARCHAR, attfdwoptions VARCHAR',
    columns.map(attributeRow),
  ],
  [
    'pg_type',
    'oid BIGINT, typname VARCHAR, typnamespace BIGINT, typowner BIGINT, typlen SMALLINT, typbyval BOOLEAN, typtype VARCHAR, typcategory VARCHAR, typispreferred BOOLEAN, typisdefined BOOLEAN, typdelim VARCHAR, typrelid BIGINT, typsubscript VARCHAR, typelem BIGINT, typarray BIGINT, typinput VARCHAR, typoutput VARCHAR, typreceive VARCHAR, typsend VARCHAR, typnotnull BOOLEAN, typbasetype BIGINT, typtypmod INTEGER, typndims INTEGER, typcollation BIGINT, typdefault VARCHAR, typacl VARCHAR',
    types.map(typeRow),
  ],
  [
    'pg_description',
    'objoid BIGINT, classoid BIGINT, objsubid INTEGER, description VARCHAR',
    [...relations.map((relation) => ({ ...relation, number: 0 })), ...columns].map(({ oid, number, means }) => ({
      objoid: oid,
      classoid: classOfClasses,
      objsubid: number,
      description: means,
    })),
  ],
  [
    'pg_database',
    'oid BIGINT, datname VARCHAR, datdba BIGINT, encoding INTEGER, datcollate VARCHAR, datctype VARCHAR, datistemplate BOOLEAN, datallowconn BOOLEAN, datconnlimit INTEGER, dattablespace BIGINT, datacl VARCHAR, datlocprovider VARCHAR, daticulocale VARCHAR',
    [
      {
        oid: 5,
        datname: 'history',
        datdba: owner,
        encoding: 6,
        datcollate: 'C',
        datctype: 'C',
        datistemplate: false,
        datallowconn: true,
        datconnlimit: -1,
        dattablespace: 1_663,
      },
    ],
  ],
  [
    'pg_roles',
    'oid BIGINT, rolname VARCHAR, rolsuper BOOLEAN, rolinherit BOOLEAN, rolcreaterole BOOLEAN, rolcreatedb BOOLEAN, rolcanlogin BOOLEAN, rolreplication BOOLEAN, rolbypassrls BOOLEAN, rolconnlimit INTEGER, rolvaliduntil TIMESTAMPTZ',
    [
      {
        oid: owner,
        rolname: 'analyst',
        rolsuper: false,
        rolinherit: true,
        rolcreaterole: false,
        rolcreatedb: false,
        rolcanlogin: true,
        rolreplication: false,
        rolbypassrls: false,
        rolconnlimit: -1,
      },
    ],
  ],
  [
    'pg_tablespace',
    'oid BIGINT, spcname VARCHAR, spcowner BIGINT, spcacl VARCHAR, spcoptions VARCHAR',
    [{ oid: 1_663, spcname: 'pg_default', spcowner: owner }],
  ],
  ['pg_am', 'oid BIGINT, amname VARCHAR, amhandler VARCHAR, amtype VARCHAR', [{ oid: 2, amname: 'heap', amtype: 't' }]],
  [
    'pg_settings',
    'name VARCHAR, setting VARCHAR, unit VARCHAR, category VARCHAR, short_desc VARCHAR, extra_desc VARCHAR, context VARCHAR, vartype VARCHAR, source VARCHAR, boot_val VARCHAR, reset_val VARCHAR, min_val VARCHAR, max_val VARCHAR, enumvals VARCHAR[], sourcefile VARCHAR, sourceline INTEGER, pending_restart BOOLEAN',
    Object.entries({ ...settings, max_index_keys: '32', default_table_access_method: 'heap' }).map(([name, setting]) => ({
      name,
      setting,
      boot_val: setting,
      reset_val: setting,
      category: 'Preset Options',
      context: 'internal',
      vartype: 'string',
      source: 'default',
    })),
  ],
  [
    'is_tables',
    'table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, table_type VARCHAR, is_insertable_into VARCHAR, is_typed VARCHAR, commit_action VARCHAR',
    relations.map(({ name }) => ({
      table_catalog: 'history',
      table_schema: 'public',
      table_name: name,
      table_type: 'VIEW',
      is_insertable_into: 'NO',
      is_typed: 'NO',
    })),
  ],
  [
    'is_columns',
    'table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, ordinal_position INTEGER, column_default VARCHAR, is_nullable VARCHAR, data_type VARCHAR, character_maximum_length INTEGER, character_octet_length INTEGER, numeric_precision INTEGER, numeric_precision_radix INTEGER, numeric_scale INTEGER, datetime_precision INTEGER, udt_catalog VARCHAR, udt_schema VARCHAR, udt_name VARCHAR, is_identity VARCHAR, is_generated VARCHAR, is_updatable VARCHAR',
    columns.map(columnRow),
  ],
  [
    'is_schemata',
    'catalog_name VARCHAR, schema_name VARCHAR, schema_owner VARCHAR',
    ['public', 'pg_catalog', 'information_schema'].map((name) => ({
      catalog_name: 'history',
      schema_name: name,
      schema_owner: 'analyst',
    })),
  ],
  [
    'is_views',
    'table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, view_definition VARCHAR',
    relations.map(({ name }) => ({ table_catalog: 'history', table_schema: 'public', table_name: name })),
  ],
]
