import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import type pg from 'pg'
import { views } from '../../../src/history/engine/views.js'
import { type ServedHistory, serveHistory } from './wire.js'

type Asked = { readonly sql: string; readonly values?: readonly (string | null)[] }
type Recording = { readonly [operation: string]: readonly Asked[] }
type Row = { readonly [column: string]: unknown }

/** What a tool has sent, by what it was told to do; a view's number stands there as {its name}. */
const recording = (tool: string): Recording =>
  JSON.parse(readFileSync(new URL(`./recorded/${tool}.json`, import.meta.url), 'utf8'))

describe('the catalogue that the analysts’ tools ask for', () => {
  let served: ServedHistory
  let client: pg.Client
  let numbers: Map<string, string>
  before(async () => {
    served = await serveHistory()
    client = await served.client()
    const { rows } = await client.query('select relname, oid from pg_class')
    numbers = new Map(rows.map(({ relname, oid }) => [relname, oid]))
  })
  after(() => served.stop())

  const numbered = (text: string): string => text.replaceAll(/\{([a-z_]+)\}/g, (all, name) => numbers.get(name) ?? all)
  const ask = async ({ sql, values }: Asked): Promise<readonly Row[]> => {
    const asked = values ? { text: numbered(sql), values: values.map((value) => value && numbered(value)) } : numbered(sql)
    return client.query(asked).then(
      ({ rows }) => rows,
      (error) => expect.fail(`${error.message}\n${sql}`),
    )
  }
  /** The rows of what was asked in the operation that answers more than none. */
  const replay = async (tool: string, operation: string): Promise<readonly Row[]> => {
    const rows: Row[] = []
    for (const asked of recording(tool)[operation] ?? expect.fail(`nothing was recorded of ${operation}`))
      rows.push(...(await ask(asked)))
    return rows
  }
  const names = views().map(({ name }) => name)
  const { columns } = views().find(({ name }) => name === 'order_placed')!

  for (const tool of ['psql', 'pgjdbc', 'sqlalchemy']) {
    it(`answers everything that ${tool} asks`, async () => {
      for (const [operation, all] of Object.entries(recording(tool))) {
        for (const asked of all) expect(await ask(asked), operation).to.be.an('array')
      }
    })
  }

  it('shows psql the views, with what they mean', async () => {
    const listed = await replay('psql', '\\dv+')
    expect(listed.map(({ Name }) => Name)).to.have.members(names)
    expect(listed.find(({ Name }) => Name === 'order_placed')).to.include({
      Schema: 'public',
      Type: 'view',
      Description: 'an order is placed: this is a sale',
    })
    expect(await replay('psql', '\\dt')).to.deep.equal([])
    expect(await replay('psql', '\\df')).to.deep.equal([])
    expect((await replay('psql', '\\l')).map(({ Name }) => Name)).to.deep.equal(['history'])
    expect((await replay('psql', '\\du')).map(({ rolname }) => rolname)).to.deep.equal(['analyst'])
    const described = (await replay('psql', '\\d order_placed')).filter(({ attname }) => attname !== undefined)
    expect(described.map(({ attname }) => attname)).to.deep.equal(columns.map(({ name }) => name))
    expect(described.find(({ attname }) => attname === 'at')).to.include({ format_type: 'timestamp with time zone' })
    expect(described.find(({ attname }) => attname === 'items')).to.include({ format_type: 'json' })
  })

  it('shows pgjdbc schemas, tables, columns and types, by the names that it reads them by', async () => {
    const tables = (await replay('pgjdbc', 'getTables')).filter(({ TABLE_SCHEM }) => TABLE_SCHEM === 'public')
    expect(tables.map(({ TABLE_NAME }) => TABLE_NAME)).to.include.members(names)
    expect(tables.find(({ TABLE_NAME }) => TABLE_NAME === 'order_placed')).to.include({
      TABLE_TYPE: 'VIEW',
      REMARKS: 'an order is placed: this is a sale',
    })
    const found = (await replay('pgjdbc', 'getColumns')).filter(({ relname }) => relname === 'order_placed')
    expect(found.map(({ attname }) => attname)).to.include.members(columns.map(({ name }) => name))
    expect(found.find(({ attname }) => attname === 'price')).to.include({
      atttypid: '20',
      description: 'of the whole order, in cents',
    })
    const types = await replay('pgjdbc', 'getTypeInfo')
    expect(types.map(({ typname }) => typname)).to.include.members(['bool', 'int8', 'text', 'timestamptz', 'json'])
    for (const none of ['getPrimaryKeys', 'getIndexInfo', 'getCrossReference', 'getProcedures'])
      expect(await replay('pgjdbc', none), none).to.deep.equal([])
  })

  it('lets SQLAlchemy reflect the views', async () => {
    expect((await replay('sqlalchemy', 'views')).map(({ relname }) => relname)).to.have.members(names)
    expect(await replay('sqlalchemy', 'tables')).to.deep.equal([])
    const found = await replay('sqlalchemy', 'columns')
    expect(found.map(({ name }) => name)).to.deep.equal(columns.map(({ name }) => name))
    expect(found.find(({ name }) => name === 'at')).to.include({ format_type: 'timestamp with time zone', not_null: false })
    expect(await replay('sqlalchemy', 'comment')).to.deep.equal([
      { relname: 'order_placed', description: 'an order is placed: this is a sale' },
    ])
    for (const none of ['enums', 'domains']) expect(await replay('sqlalchemy', none), none).to.deep.equal([])
  })

  const rows = async (sql: string): Promise<readonly Row[]> => ask({ sql })

  it('answers Grafana: the schemas of the search path, their tables, columns, and times in groups', async () => {
    const path = `select case when trim(s[i]) = '"$user"' then user else trim(s[i]) end
      from generate_series(
        array_lower(string_to_array(current_setting('search_path'), ','), 1),
        array_upper(string_to_array(current_setting('search_path'), ','), 1)) as i,
      string_to_array(current_setting('search_path'), ',') s`
    expect(await rows(`select current_setting('server_version_num')::int / 100 as version`)).to.deep.equal([{ version: 1500 }])
    expect(await rows(`select extversion from pg_extension where extname = 'timescaledb'`)).to.deep.equal([])
    const tables = await rows(`select case when quote_ident(table_schema) in (${path}) then quote_ident(table_name)
      else quote_ident(table_schema) || '.' || quote_ident(table_name) end as "table"
      from information_schema.tables where quote_ident(table_schema) not in ('information_schema', 'pg_catalog') order by 1`)
    expect(tables.map(({ table }) => table)).to.deep.equal(names.toSorted())
    const found = await rows(`select quote_ident(column_name) as "column", data_type as "type" from information_schema.columns
      where case when array_length(parse_ident('order_placed'), 1) = 2
      then quote_ident(table_schema) = (parse_ident('order_placed'))[1] and quote_ident(table_name) = (parse_ident('order_placed'))[2]
      else quote_ident(table_name) = 'order_placed' and quote_ident(table_schema) in (${path}) end`)
    expect(found).to.deep.include({ column: 'at', type: 'timestamp with time zone' })
    expect(
      await rows(`select floor(extract(epoch from at) / 86400) * 86400 as "time", sum(price) as value from order_placed
      where at between '2026-01-02T00:00:00Z' and '2026-01-03T23:59:59Z' group by 1 order by 1`),
    ).to.deep.equal([
      { time: 1_767_312_000, value: '450' },
      { time: 1_767_398_400, value: '900' },
    ])
  })

  it('answers Metabase: the fields of a table, and the questions that it writes', async () => {
    const fields = await rows(`select "c"."column_name" as "name",
      case when "c"."udt_schema" in ('public', 'pg_catalog') then format('%s', "c"."udt_name")
        else format('"%s"."%s"', "c"."udt_schema", "c"."udt_name") end as "database-type",
      col_description(cast(cast(format('%I.%I', cast("c"."table_schema" as text), cast("c"."table_name" as text)) as regclass) as oid),
        "c"."ordinal_position") as "field-comment"
      from "information_schema"."columns" as "c"
      where c.table_schema !~ '^information_schema|catalog_history|pg_' and "c"."table_name" in ('order_placed')
      order by "c"."ordinal_position"`)
    expect(fields.map(({ name }) => name)).to.deep.equal(columns.map(({ name }) => name))
    expect(fields).to.deep.include({ name: 'price', 'database-type': 'int8', 'field-comment': 'of the whole order, in cents' })
    expect(
      await rows(`select "n"."nspname" as "schema", "c"."relname" as "name", "stat"."n_live_tup" as "rows"
      from "pg_catalog"."pg_class" as "c" inner join "pg_catalog"."pg_namespace" as "n" on "c"."relnamespace" = "n"."oid"
      left join "pg_catalog"."pg_description" as "d" on "c"."oid" = "d"."objoid" and "d"."objsubid" = 0 and "d"."classoid" = 'pg_class'::regclass
      left join "pg_stat_user_tables" as "stat" on "n"."nspname" = "stat"."schemaname" and "c"."relname" = "stat"."relname"
      where "n"."nspname" !~ '^pg_' and c.relkind in ('r', 'p', 'v', 'f', 'm') order by 1, 2 limit 1`),
    ).to.deep.equal([{ schema: 'public', name: names.toSorted()[0], rows: null }])
    expect(
      await rows(`with rights as (select t.schemaname as schema, t.objectname as "table",
        has_table_privilege(current_user, '"' || t.schemaname || '"."' || t.objectname || '"', 'select') as "select",
        has_any_column_privilege(current_user, '"' || t.schemaname || '"."' || t.objectname || '"', 'update') as "update"
        from (select schemaname, tablename as objectname from pg_catalog.pg_tables
          union select schemaname, viewname from pg_catalog.pg_views union select schemaname, matviewname from pg_catalog.pg_matviews) t)
        select * from rights where "table" = 'orders'`),
    ).to.deep.equal([{ schema: 'public', table: 'orders', select: true, update: false }])
    expect(
      await rows(`-- Metabase:: userID: 1 queryType: MBQL
      select date_trunc('month', "public"."order_placed"."at") as "at", sum("public"."order_placed"."price") as "sum"
      from "public"."order_placed" left join "public"."products" "Products" on "public"."order_placed"."order_id" = "Products"."product_id"
      where "public"."order_placed"."at" >= date_trunc('day', (now() + (interval '-30000 day')))
      group by date_trunc('month', "public"."order_placed"."at") order by 1`),
    ).to.deep.equal([{ at: new Date('2026-01-01'), sum: '2700' }])
  })

  it('answers DBeaver: what stands in the navigator', async () => {
    const [database] = await rows(`select db.oid, db.* from pg_catalog.pg_database db
      where datallowconn and not datistemplate or db.datname = 'history' order by db.datname`)
    expect(database).to.include({ datname: 'history' })
    const spaces =
      await rows(`select n.oid, n.*, d.description from pg_catalog.pg_namespace n left outer join pg_catalog.pg_description d
      on d.objoid = n.oid and d.objsubid = 0 and d.classoid = 'pg_namespace'::regclass order by nspname`)
    expect(spaces.map(({ nspname }) => nspname)).to.deep.equal(['information_schema', 'pg_catalog', 'public'])
    const [relation] =
      await rows(`select c.oid, c.*, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr,
      pg_catalog.pg_get_partkeydef(c.oid) as partition_key from pg_catalog.pg_class c left outer join pg_catalog.pg_description d
      on d.objoid = c.oid and d.objsubid = 0 and d.classoid = 'pg_class'::regclass
      where c.relnamespace = 2200 and c.relkind not in ('i', 'I', 'c') and c.relname = 'order_placed'`)
    expect(relation).to.include({ relkind: 'v', description: 'an order is placed: this is a sale' })
    const attributes =
      await rows(`select c.relname, a.*, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value, dsc.description, dep.objid
      from pg_catalog.pg_attribute a inner join pg_catalog.pg_class c on (a.attrelid = c.oid)
      left outer join pg_catalog.pg_attrdef ad on (a.attrelid = ad.adrelid and a.attnum = ad.adnum)
      left outer join pg_catalog.pg_description dsc on (c.oid = dsc.objoid and a.attnum = dsc.objsubid)
      left outer join pg_depend dep on dep.refobjid = a.attrelid and dep.deptype = 'i' and dep.refobjsubid = a.attnum
      where not a.attisdropped and c.oid = {order_placed} order by a.attnum`)
    expect(attributes.map(({ attname }) => attname)).to.deep.equal(columns.map(({ name }) => name))
    const [version] = await rows('select version()')
    expect(version!.version).to.match(/^PostgreSQL \d+/)
  })
})
