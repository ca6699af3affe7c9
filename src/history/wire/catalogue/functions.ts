import { settings } from '../local.js'
import { schema } from './table.js'
import { longNames } from './types.js'

/** The right is the last that is given: everything may be read, and nothing else be done. */
const mayRead = (rights: string): string =>
  `(a, b, c := null, d := null) as regexp_matches(lower(coalesce(d, c, b)::varchar), '${rights}')`

/** Functions of Postgres's catalogue: parameters and meaning as a macro of DuckDB has them. */
export const functions: { readonly [name: string]: string } = {
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
  // A number stays what it is.
  to_regclass: `(name) as coalesce(try_cast(name as bigint), (select max(oid) from ${schema}.pg_class where relname = replace(split_part(name::varchar, '.', -1), '"', '')))`,
  to_regtype: `(name) as (select max(oid) from ${schema}.pg_type where typname = name)`,
  obj_description: `(id, catalogue := 'pg_class') as (select max(description) from ${schema}.pg_description where objoid = id and objsubid = 0)`,
  col_description: `(id, number) as (select max(description) from ${schema}.pg_description where objoid = id and objsubid = number)`,
  shobj_description: '(id, catalogue) as null::varchar',
  pg_get_userbyid: `(id) as 'analyst'`,
  pg_encoding_to_char: `(id) as 'UTF8'`,
  pg_table_is_visible: '(id) as id >= 16384',
  pg_type_is_visible: '(id) as true',
  pg_collation_is_visible: '(id) as true',
  array_lower: '(list, dimension) as case when len(list) > 0 then 1 end',
  array_upper: '(list, dimension) as nullif(len(list), 0)',
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
  quote_ident: `(name) as case when regexp_full_match(name, '[a-z_][a-z0-9_]*') then name else '"' || replace(name, '"', '""') || '"' end`,
  pg_database_size: '(id) as 0::bigint',
  pg_tablespace_location: `(id) as ''`,
  // Of an index's columns, and there are no indexes: a row for each, were there any.
  _pg_expandarray: `(list) as {'x': null::smallint, 'n': null::integer}`,
  current_setting: `(setting_name, if_missing := false) as (select max(setting) from ${schema}.pg_settings where name = lower(setting_name))`,
  // Of the places in its text (%s, %I), one after another.
  format: ['a', 'b', 'c']
    .map((_, i, names) => {
      const given = names.slice(0, i + 1)
      return `(text, ${given.join(', ')}) as ${given.reduce((text, name) => `regexp_replace(${text}, '%[sIL]', ${name}::varchar)`, 'text')}`
    })
    .join(', '),
  set_config: '(name, value, local) as value',
  has_database_privilege: mayRead('connect'),
  has_schema_privilege: mayRead('usage'),
  has_table_privilege: mayRead('select'),
  has_column_privilege: mayRead('select'),
  has_any_column_privilege: mayRead('select'),
  has_function_privilege: mayRead('execute'),
  has_sequence_privilege: mayRead('select'),
  pg_has_role: '(a, b := null, c := null) as true',
  pg_operator_is_visible: '(id) as true',
  pg_opclass_is_visible: '(id) as true',
  pg_opfamily_is_visible: '(id) as true',
  pg_conversion_is_visible: '(id) as true',
  pg_statistics_obj_is_visible: '(id) as true',
  pg_ts_config_is_visible: '(id) as true',
  pg_ts_dict_is_visible: '(id) as true',
  pg_ts_parser_is_visible: '(id) as true',
  pg_ts_template_is_visible: '(id) as true',
  pg_get_function_sqlbody: '(id) as null::varchar',
  pg_get_function_identity_arguments: '(id) as null::varchar',
  pg_get_functiondef: '(id) as null::varchar',
  pg_get_triggerdef: '(id, pretty := false) as null::varchar',
  pg_get_ruledef: '(id, pretty := false) as null::varchar',
  pg_get_statisticsobjdef: '(id) as null::varchar',
  pg_stat_get_numscans: '(id) as 0::bigint',
  pg_char_to_encoding: '(name) as 6',
  getdatabaseencoding: `() as 'UTF8'`,
  pg_postmaster_start_time: '() as now()',
  inet_server_addr: '() as null::varchar',
  inet_server_port: '() as null::integer',
  array_remove: '(list, value) as list_filter(list, lambda one: one is distinct from value)',
  parse_ident: `(name) as string_split(replace(name, '"', ''), '.')`,
  pg_get_keywords: `() as table select keyword_name as word, 'U' as catcode, '' as catdesc from duckdb_keywords()`,
}
