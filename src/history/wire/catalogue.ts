import { quotedText } from '../engine/duckdb.js'
import { tokensOf } from '../engine/statement.js'
import { views } from '../engine/views.js'
import { settings } from './local.js'

/**
 * Postgres's own catalogue, as far as tools look into it: DuckDB has one too, but with its own numbers for types, and without what many
 * tools ask for. It is a schema of its own, to which the names that tools use are turned.
 */
const schema = 'pgc'

type Row = { readonly [column: string]: string | number | boolean | null }

const table = (name: string, columns: string, rows: readonly Row[] = []): readonly string[] => {
  const names = columns.split(', ').map((column) => column.split(' ')[0]!)
  const values = rows.map((row) => `(${names.map((column) => literal(row[column] ?? null)).join(', ')})`)
  const create = `create table ${schema}.${name} (${columns})`
  return values.length > 0 ? [create, `insert into ${schema}.${name} values ${values.join(', ')}`] : [create]
}

const literal = (value: Row[string]): string => (typeof value === 'string' ? quotedText(value) : String(value))

const main = 2_200
const own = 11

const types: readonly (readonly [oid: number, name: string, size: number, category: string])[] = [
  [16, 'bool', 1, 'B'],
  [18, 'char', 1, 'Z'],
  [19, 'name', 64, 'S'],
  [20, 'int8', 8, 'N'],
  [21, 'int2', 2, 'N'],
  [23, 'int4', 4, 'N'],
  [25, 'text', -1, 'S'],
  [26, 'oid', 4, 'N'],
  [114, 'json', -1, 'U'],
  [700, 'float4', 4, 'N'],
  [701, 'float8', 8, 'N'],
  [705, 'unknown', -2, 'X'],
  [1042, 'bpchar', -1, 'S'],
  [1043, 'varchar', -1, 'S'],
  [1082, 'date', 4, 'D'],
  [1083, 'time', 8, 'D'],
  [1114, 'timestamp', 8, 'D'],
  [1184, 'timestamptz', 8, 'D'],
  [1186, 'interval', 16, 'T'],
  [1700, 'numeric', -1, 'N'],
  [2950, 'uuid', 16, 'U'],
]

const longNames: { readonly [name: string]: string } = {
  bool: 'boolean',
  int8: 'bigint',
  int2: 'smallint',
  int4: 'integer',
  float4: 'real',
  float8: 'double precision',
  timestamp: 'timestamp without time zone',
  timestamptz: 'timestamp with time zone',
  varchar: 'character varying',
}

const oidOfColumn = (type: string): number => ({ BIGINT: 20, BOOLEAN: 16, TIMESTAMPTZ: 1184, VARCHAR: 25 })[type] ?? 114

const longName = (oid: number): string => {
  const name = types.find(([one]) => one === oid)![1]
  return longNames[name] ?? name
}

const relations = () => views().map((view, i) => ({ ...view, oid: 16_384 + i }))

/** SQL that makes the catalogue, from what there is to be queried. */
export const catalogueSchema = (): readonly string[] => {
  const all = relations()
  const columns = all.flatMap(({ oid, name: relation, columns: own }) =>
    own.map((column, i) => ({ ...column, relation, oid, number: i + 1 })),
  )
  const system = [
    'pg_type 1247',
    'pg_attribute 1249',
    'pg_proc 1255',
    'pg_class 1259',
    'pg_constraint 2606',
    'pg_namespace 2615',
    'pg_description 2609',
  ]
  return [
    `create schema ${schema}`,
    ...table('pg_namespace', 'oid BIGINT, nspname VARCHAR, nspowner BIGINT, nspacl VARCHAR', [
      { oid: main, nspname: 'public', nspowner: 10 },
      { oid: own, nspname: 'pg_catalog', nspowner: 10 },
      { oid: 13_000, nspname: 'information_schema', nspowner: 10 },
    ]),
    ...table(
      'pg_class',
      'oid BIGINT, relname VARCHAR, relnamespace BIGINT, reltype BIGINT, reloftype BIGINT, relowner BIGINT, relam BIGINT, relfilenode BIGINT, reltablespace BIGINT, relpages INTEGER, reltuples FLOAT, relallvisible INTEGER, reltoastrelid BIGINT, relhasindex BOOLEAN, relisshared BOOLEAN, relpersistence VARCHAR, relkind VARCHAR, relnatts SMALLINT, relchecks SMALLINT, relhasrules BOOLEAN, relhastriggers BOOLEAN, relhassubclass BOOLEAN, relrowsecurity BOOLEAN, relforcerowsecurity BOOLEAN, relispopulated BOOLEAN, relreplident VARCHAR, relispartition BOOLEAN, relrewrite BIGINT, relfrozenxid BIGINT, relminmxid BIGINT, relacl VARCHAR, reloptions VARCHAR[], relpartbound VARCHAR, relhasoids BOOLEAN',
      [
        ...all.map(({ oid, name, columns: { length } }) => classRow(oid, name, main, 'v', length)),
        ...system.map((one) => classRow(Number(one.split(' ')[1]), one.split(' ')[0]!, own, 'r', 0)),
      ],
    ),
    ...table(
      'pg_attribute',
      'attrelid BIGINT, attname VARCHAR, atttypid BIGINT, attstattarget INTEGER, attlen SMALLINT, attnum SMALLINT, attndims INTEGER, attcacheoff INTEGER, atttypmod INTEGER, attbyval BOOLEAN, attstorage VARCHAR, attalign VARCHAR, attnotnull BOOLEAN, atthasdef BOOLEAN, atthasmissing BOOLEAN, attidentity VARCHAR, attgenerated VARCHAR, attisdropped BOOLEAN, attislocal BOOLEAN, attinhcount INTEGER, attcollation BIGINT, attcompression VARCHAR, attacl VARCHAR, attoptions VARCHAR, attfdwoptions VARCHAR',
      columns.map(({ oid, name, type, number }) => ({
        attrelid: oid,
        attname: name,
        atttypid: oidOfColumn(type),
        attstattarget: -1,
        attlen: types.find(([one]) => one === oidOfColumn(type))![2],
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
      })),
    ),
    ...table(
      'pg_type',
      'oid BIGINT, typname VARCHAR, typnamespace BIGINT, typowner BIGINT, typlen SMALLINT, typbyval BOOLEAN, typtype VARCHAR, typcategory VARCHAR, typispreferred BOOLEAN, typisdefined BOOLEAN, typdelim VARCHAR, typrelid BIGINT, typsubscript VARCHAR, typelem BIGINT, typarray BIGINT, typinput VARCHAR, typoutput VARCHAR, typreceive VARCHAR, typsend VARCHAR, typnotnull BOOLEAN, typbasetype BIGINT, typtypmod INTEGER, typndims INTEGER, typcollation BIGINT, typdefault VARCHAR, typacl VARCHAR',
      types.map(([oid, name, size, category]) => ({
        oid,
        typname: name,
        typnamespace: own,
        typowner: 10,
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
      })),
    ),
    ...table('pg_description', 'objoid BIGINT, classoid BIGINT, objsubid INTEGER, description VARCHAR', [
      ...all.map(({ oid, means }) => ({ objoid: oid, classoid: 1_259, objsubid: 0, description: means })),
      ...columns.map(({ oid, means, number }) => ({ objoid: oid, classoid: 1_259, objsubid: number, description: means })),
    ]),
    ...table(
      'pg_database',
      'oid BIGINT, datname VARCHAR, datdba BIGINT, encoding INTEGER, datcollate VARCHAR, datctype VARCHAR, datistemplate BOOLEAN, datallowconn BOOLEAN, datconnlimit INTEGER, dattablespace BIGINT, datacl VARCHAR, datlocprovider VARCHAR, daticulocale VARCHAR',
      [
        {
          oid: 5,
          datname: 'history',
          datdba: 10,
          encoding: 6,
          datcollate: 'C',
          datctype: 'C',
          datistemplate: false,
          datallowconn: true,
          datconnlimit: -1,
          dattablespace: 1_663,
        },
      ],
    ),
    ...table(
      'pg_roles',
      'oid BIGINT, rolname VARCHAR, rolsuper BOOLEAN, rolinherit BOOLEAN, rolcreaterole BOOLEAN, rolcreatedb BOOLEAN, rolcanlogin BOOLEAN, rolreplication BOOLEAN, rolbypassrls BOOLEAN, rolconnlimit INTEGER, rolvaliduntil TIMESTAMPTZ',
      [
        {
          oid: 10,
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
    ),
    ...table('pg_tablespace', 'oid BIGINT, spcname VARCHAR, spcowner BIGINT, spcacl VARCHAR, spcoptions VARCHAR', [
      { oid: 1_663, spcname: 'pg_default', spcowner: 10 },
    ]),
    ...table('pg_am', 'oid BIGINT, amname VARCHAR, amhandler VARCHAR, amtype VARCHAR', [{ oid: 2, amname: 'heap', amtype: 't' }]),
    ...table(
      'pg_settings',
      'name VARCHAR, setting VARCHAR, unit VARCHAR, category VARCHAR, short_desc VARCHAR, context VARCHAR, vartype VARCHAR, source VARCHAR',
      Object.entries({ ...settings, max_index_keys: '32', default_table_access_method: 'heap' }).map(([name, setting]) => ({
        name,
        setting,
      })),
    ),
    ...table(
      'is_tables',
      'table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, table_type VARCHAR, is_insertable_into VARCHAR, is_typed VARCHAR, commit_action VARCHAR',
      all.map(({ name }) => ({
        table_catalog: 'history',
        table_schema: 'public',
        table_name: name,
        table_type: 'VIEW',
        is_insertable_into: 'NO',
        is_typed: 'NO',
      })),
    ),
    ...table(
      'is_columns',
      'table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, ordinal_position INTEGER, column_default VARCHAR, is_nullable VARCHAR, data_type VARCHAR, character_maximum_length INTEGER, character_octet_length INTEGER, numeric_precision INTEGER, numeric_precision_radix INTEGER, numeric_scale INTEGER, datetime_precision INTEGER, udt_catalog VARCHAR, udt_schema VARCHAR, udt_name VARCHAR, is_identity VARCHAR, is_generated VARCHAR, is_updatable VARCHAR',
      columns.map(({ relation, name, type, number }) => ({
        table_catalog: 'history',
        table_schema: 'public',
        table_name: relation,
        column_name: name,
        ordinal_position: number,
        is_nullable: 'YES',
        data_type: longName(oidOfColumn(type)),
        udt_catalog: 'history',
        udt_schema: 'pg_catalog',
        udt_name: types.find(([one]) => one === oidOfColumn(type))![1],
        is_identity: 'NO',
        is_generated: 'NEVER',
        is_updatable: 'NO',
      })),
    ),
    ...table('is_schemata', 'catalog_name VARCHAR, schema_name VARCHAR, schema_owner VARCHAR', [
      { catalog_name: 'history', schema_name: 'public', schema_owner: 'analyst' },
      { catalog_name: 'history', schema_name: 'pg_catalog', schema_owner: 'analyst' },
      { catalog_name: 'history', schema_name: 'information_schema', schema_owner: 'analyst' },
    ]),
    ...table(
      'is_views',
      'table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, view_definition VARCHAR',
      all.map(({ name }) => ({ table_catalog: 'history', table_schema: 'public', table_name: name })),
    ),
    ...empty.flatMap(([name, columns]) => table(name, columns)),
    `create view ${schema}.pg_tables as select 'public' as schemaname, '' as tablename, '' as tableowner, null::varchar as tablespace, false as hasindexes, false as hasrules, false as hastriggers where false`,
    `create view ${schema}.pg_views as select 'public' as schemaname, relname as viewname, 'analyst' as viewowner, '' as definition from ${schema}.pg_class where relkind = 'v'`,
    ...Object.entries(macros()).map(([name, definition]) => `create macro ${schema}.${name}${definition}`),
  ]
}

const classRow = (oid: number, relname: string, relnamespace: number, relkind: string, relnatts: number): Row => ({
  oid,
  relname,
  relnamespace,
  reltype: 0,
  reloftype: 0,
  relowner: 10,
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

/** What there is none of here, with the columns that tools name. */
const empty: readonly (readonly [name: string, columns: string])[] = [
  [
    'pg_index',
    'indexrelid BIGINT, indrelid BIGINT, indnatts SMALLINT, indnkeyatts SMALLINT, indisunique BOOLEAN, indisprimary BOOLEAN, indisexclusion BOOLEAN, indimmediate BOOLEAN, indisclustered BOOLEAN, indisvalid BOOLEAN, indisready BOOLEAN, indislive BOOLEAN, indisreplident BOOLEAN, indnullsnotdistinct BOOLEAN, indkey SMALLINT[], indcollation BIGINT[], indclass BIGINT[], indoption SMALLINT[], indexprs VARCHAR, indpred VARCHAR',
  ],
  [
    'pg_constraint',
    'oid BIGINT, conname VARCHAR, connamespace BIGINT, contype VARCHAR, condeferrable BOOLEAN, condeferred BOOLEAN, convalidated BOOLEAN, conrelid BIGINT, contypid BIGINT, conindid BIGINT, conparentid BIGINT, confrelid BIGINT, confupdtype VARCHAR, confdeltype VARCHAR, confmatchtype VARCHAR, conislocal BOOLEAN, coninhcount INTEGER, connoinherit BOOLEAN, conkey SMALLINT[], confkey SMALLINT[], conbin VARCHAR',
  ],
  ['pg_attrdef', 'oid BIGINT, adrelid BIGINT, adnum SMALLINT, adbin VARCHAR'],
  ['pg_enum', 'oid BIGINT, enumtypid BIGINT, enumsortorder FLOAT, enumlabel VARCHAR'],
  ['pg_range', 'rngtypid BIGINT, rngsubtype BIGINT, rngmultitypid BIGINT, rngcollation BIGINT'],
  ['pg_inherits', 'inhrelid BIGINT, inhparent BIGINT, inhseqno INTEGER, inhdetachpending BOOLEAN'],
  ['pg_collation', 'oid BIGINT, collname VARCHAR, collnamespace BIGINT'],
  [
    'pg_policy',
    'oid BIGINT, polname VARCHAR, polrelid BIGINT, polcmd VARCHAR, polpermissive BOOLEAN, polroles BIGINT[], polqual VARCHAR, polwithcheck VARCHAR',
  ],
  [
    'pg_trigger',
    'oid BIGINT, tgrelid BIGINT, tgname VARCHAR, tgisinternal BOOLEAN, tgenabled VARCHAR, tgparentid BIGINT, tgconstraint BIGINT, tgfoid BIGINT, tgtype SMALLINT',
  ],
  ['pg_matviews', 'schemaname VARCHAR, matviewname VARCHAR, matviewowner VARCHAR, definition VARCHAR, ispopulated BOOLEAN'],
  ['pg_rewrite', 'oid BIGINT, rulename VARCHAR, ev_class BIGINT, ev_type VARCHAR, ev_enabled VARCHAR, is_instead BOOLEAN'],
  ['pg_foreign_table', 'ftrelid BIGINT, ftserver BIGINT, ftoptions VARCHAR[]'],
  ['pg_partitioned_table', 'partrelid BIGINT, partstrat VARCHAR, partnatts SMALLINT'],
  [
    'pg_statistic_ext',
    'oid BIGINT, stxrelid BIGINT, stxname VARCHAR, stxnamespace BIGINT, stxkind VARCHAR[], stxstattarget INTEGER',
  ],
  ['pg_publication', 'oid BIGINT, pubname VARCHAR, puballtables BOOLEAN'],
  ['pg_publication_rel', 'oid BIGINT, prpubid BIGINT, prrelid BIGINT, prqual VARCHAR, prattrs SMALLINT[]'],
  ['pg_publication_namespace', 'oid BIGINT, pnpubid BIGINT, pnnspid BIGINT'],
  [
    'pg_sequence',
    'seqrelid BIGINT, seqtypid BIGINT, seqstart BIGINT, seqincrement BIGINT, seqmax BIGINT, seqmin BIGINT, seqcache BIGINT, seqcycle BOOLEAN',
  ],
  ['pg_sequences', 'schemaname VARCHAR, sequencename VARCHAR'],
  ['pg_extension', 'oid BIGINT, extname VARCHAR, extnamespace BIGINT, extversion VARCHAR'],
  [
    'pg_depend',
    'classid BIGINT, objid BIGINT, objsubid INTEGER, refclassid BIGINT, refobjid BIGINT, refobjsubid INTEGER, deptype VARCHAR',
  ],
  ['pg_shdescription', 'objoid BIGINT, classoid BIGINT, description VARCHAR'],
  [
    'pg_proc',
    'oid BIGINT, proname VARCHAR, pronamespace BIGINT, prokind VARCHAR, prorettype BIGINT, proretset BOOLEAN, proargtypes VARCHAR, pronargs SMALLINT, proargnames VARCHAR[], proargmodes VARCHAR[], proallargtypes BIGINT[], prolang BIGINT, proowner BIGINT, provolatile VARCHAR, proparallel VARCHAR, prosecdef BOOLEAN, proacl VARCHAR, prosrc VARCHAR, probin VARCHAR',
  ],
  [
    'pg_opclass',
    'oid BIGINT, opcmethod BIGINT, opcname VARCHAR, opcnamespace BIGINT, opcowner BIGINT, opcfamily BIGINT, opcintype BIGINT, opcdefault BOOLEAN, opckeytype BIGINT',
  ],
  [
    'pg_operator',
    'oid BIGINT, oprname VARCHAR, oprnamespace BIGINT, oprkind VARCHAR, oprleft BIGINT, oprright BIGINT, oprresult BIGINT, oprcode VARCHAR',
  ],
  ['pg_cast', 'oid BIGINT, castsource BIGINT, casttarget BIGINT, castfunc BIGINT, castcontext VARCHAR, castmethod VARCHAR'],
  [
    'pg_foreign_data_wrapper',
    'oid BIGINT, fdwname VARCHAR, fdwowner BIGINT, fdwhandler BIGINT, fdwvalidator BIGINT, fdwacl VARCHAR, fdwoptions VARCHAR[]',
  ],
  [
    'pg_foreign_server',
    'oid BIGINT, srvname VARCHAR, srvowner BIGINT, srvfdw BIGINT, srvtype VARCHAR, srvversion VARCHAR, srvacl VARCHAR, srvoptions VARCHAR[]',
  ],
  ['pg_auth_members', 'roleid BIGINT, member BIGINT, grantor BIGINT, admin_option BOOLEAN'],
  ['pg_language', 'oid BIGINT, lanname VARCHAR'],
  ['pg_stat_activity', 'datid BIGINT, datname VARCHAR, pid INTEGER, usename VARCHAR, state VARCHAR, query VARCHAR'],
  [
    'is_key_column_usage',
    'constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, ordinal_position INTEGER',
  ],
  [
    'is_table_constraints',
    'constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, constraint_type VARCHAR',
  ],
]

const macros = (): { readonly [name: string]: string } => ({
  version: `() as 'PostgreSQL ${settings.server_version}'`,
  current_database: `() as 'history'`,
  current_catalog: `() as 'history'`,
  current_schema: `() as 'public'`,
  current_schemas: `(implicit) as ['public']`,
  current_user: `() as 'analyst'`,
  session_user: `() as 'analyst'`,
  format_type: `(id, modifier) as (select coalesce(max(case typname ${Object.entries(longNames)
    .map(([name, long]) => `when '${name}' then '${long}'`)
    .join(' ')} else typname end), '???') from ${schema}.pg_type where oid = id)`,
  to_regclass: `(name) as (select max(oid) from ${schema}.pg_class where relname = replace(replace(split_part(name, '.', -1), '"', ''), 'pg_catalog.', ''))`,
  to_regtype: `(name) as (select max(oid) from ${schema}.pg_type where typname = name)`,
  obj_description: `(id, catalogue := 'pg_class') as (select max(description) from ${schema}.pg_description where objoid = id and objsubid = 0)`,
  col_description: `(id, number) as (select max(description) from ${schema}.pg_description where objoid = id and objsubid = number)`,
  shobj_description: '(id, catalogue) as null::varchar',
  pg_get_userbyid: `(id) as 'analyst'`,
  pg_encoding_to_char: `(id) as 'UTF8'`,
  pg_table_is_visible: '(id) as id >= 16384',
  pg_type_is_visible: '(id) as true',
  pg_collation_is_visible: '(id) as true',
  array_upper: '(list, dimension) as len(list)',
  pg_function_is_visible: '(id) as true',
  pg_get_expr: '(expression, relation, pretty := false) as null::varchar',
  pg_get_viewdef: `(relation, pretty := false) as ''`,
  pg_get_indexdef: `(relation, number := 0, pretty := false) as ''`,
  pg_get_constraintdef: `(id, pretty := false) as ''`,
  pg_get_function_result: '(id) as null::varchar',
  pg_get_function_arguments: '(id) as null::varchar',
  pg_get_partkeydef: '(id) as null::varchar',
  pg_get_statisticsobjdef_columns: '(id) as null::varchar',
  pg_get_serial_sequence: '(relation, field) as null::varchar',
  pg_relation_is_publishable: '(id) as false',
  pg_relation_size: '(id) as 0::bigint',
  pg_total_relation_size: '(id) as 0::bigint',
  pg_table_size: '(id) as 0::bigint',
  pg_size_pretty: `(size) as size::varchar || ' bytes'`,
  pg_is_in_recovery: '() as false',
  pg_backend_pid: '() as 1',
  quote_ident: `(name) as '"' || replace(name, '"', '""') || '"'`,
  has_schema_privilege: '(a, b := null, c := null) as true',
  has_table_privilege: '(a, b := null, c := null) as true',
  has_database_privilege: '(a, b := null, c := null) as true',
  has_column_privilege: '(a, b := null, c := null, d := null) as true',
  pg_database_size: '(id) as 0::bigint',
  pg_tablespace_location: `(id) as ''`,
  // Of an index's columns, and there are no indexes: a row for each, were there any.
  _pg_expandarray: `(list) as {'x': null::smallint, 'n': null::integer}`,
  current_setting: `(setting_name, if_missing := false) as (select max(setting) from ${schema}.pg_settings where name = lower(setting_name))`,
  set_config: '(name, value, local) as value',
})

const tables: ReadonlySet<string> = new Set([
  ...'pg_namespace pg_class pg_attribute pg_type pg_description pg_database pg_roles pg_tablespace pg_am pg_settings pg_tables pg_views'.split(
    ' ',
  ),
  ...empty.map(([name]) => name),
])
const functions: ReadonlySet<string> = new Set(Object.keys(macros()))
const inInformation: ReadonlySet<string> = new Set('tables columns schemata views key_column_usage table_constraints'.split(' '))
const keywordFunctions: ReadonlySet<string> = new Set(['current_user', 'session_user', 'current_catalog'])
const asText: ReadonlySet<string> = new Set(
  'name regtype regproc regprocedure regnamespace regrole cstring int2vector oidvector regclass'.split(' '),
)

const hint =
  /pg_|version|regclass|information_schema|current_|session_user|\bpublic\b|\bto_reg|quote_ident|format_type|_description|privilege|set_config|current_setting|::\s*name\b/i

/** A statement as DuckDB understands it, with the names of Postgres's catalogue turned to the one that is made here. */
export const forCatalogue = (sql: string): string => {
  if (!hint.test(sql)) return sql
  // Ways of writing that DuckDB has no equal of.
  const plain = sql
    .replaceAll(/operator\s*\(\s*pg_catalog\s*\.\s*([^)\s]+)\s*\)/gi, ' $1 ')
    .replaceAll(
      /cast\s*\(\s*('(?:[^']|'')*'|\$\d+(?:\s*::\s*\w+)?)\s+as\s+(?:pg_catalog\s*\.\s*)?regclass\s*\)/gi,
      `${schema}.to_regclass($1)`,
    )
    .replaceAll(/collate\s+(pg_catalog\s*\.\s*)?"?default"?/gi, ' ')
  const found = tokensOf(
    plain.replaceAll(/('(?:[^']|'')*')\s*::\s*(?:pg_catalog\s*\.\s*)?regclass/gi, `${schema}.to_regclass($1)`),
  )
  const tokens = found.map(({ text }) => text)
  const nameAt = (i: number): string => (tokens[i]?.startsWith('"') ? tokens[i]!.slice(1, -1) : (tokens[i] ?? '')).toLowerCase()
  const out: string[] = []
  for (let i = 0; i < tokens.length; i++) {
    const qualifier = nameAt(i)
    const isQualified = tokens[i + 1] === '.' && ['pg_catalog', 'information_schema', 'public'].includes(qualifier)
    const at = isQualified ? i + 2 : i
    const name = nameAt(at)
    const follows = tokens.slice(at + 1).find((text) => text.trim() !== '')
    const isCast = out.join('').trimEnd().endsWith('::')
    const free = tokens[i - 1] !== '.'
    if (isQualified && qualifier === 'public') out.push('main.', tokens[at]!)
    else if (isQualified && qualifier === 'information_schema' && inInformation.has(name)) out.push(`${schema}.is_${name}`)
    else if (isQualified && qualifier === 'information_schema' && functions.has(name)) out.push(`${schema}.${name}`)
    else if (isQualified && qualifier === 'information_schema') out.push('information_schema.', tokens[at]!)
    else if (free && (isCast || (name === 'regclass' && /\bas\s*$/i.test(out.join('')))) && asText.has(name)) out.push('varchar')
    else if (free && follows === '(' && name === 'json_build_object') out.push('json_object')
    else if (free && follows === '(' && functions.has(name)) out.push(`${schema}.${name}`)
    else if (free && follows !== '(' && keywordFunctions.has(name) && (isQualified || !tokens[i]!.startsWith('"')))
      out.push(`${schema}.${name}()`)
    else if (free && tables.has(name) && follows !== '.' && follows !== '(' && isTable(tokens, i)) out.push(`${schema}.${name}`)
    else out.push(tokens[at]!)
    i = at
  }
  return out.join('')
}

/** Whether a name stands where a table does, and is not a column's or an alias's. */
const isTable = (tokens: readonly string[], i: number): boolean => {
  const before = tokens
    .slice(0, i)
    .filter((text) => text.trim() !== '')
    .at(-1)
    ?.toLowerCase()
  return before === 'from' || before === 'join' || before === ',' || before === '('
}
