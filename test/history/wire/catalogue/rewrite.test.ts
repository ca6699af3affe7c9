import { expect } from 'chai'
import { forCatalogue } from '../../../../src/history/wire/catalogue/rewrite.js'

describe("the names of Postgres's catalogue", () => {
  const plain = (sql: string): string => forCatalogue(sql).replaceAll(/\s+/g, ' ').replaceAll(' )', ')').trim()

  it('are turned to where they are, and nothing else is', () => {
    for (const [sql, turned] of [
      ['select * from pg_catalog.pg_class c, pg_type', 'select * from pgc.pg_class c, pgc.pg_type'],
      ['select c.pg_class, 1 as pg_type from events c', 'select c.pg_class, 1 as pg_type from events c'],
      ['select "public"."orders"."at" from history.public.orders', 'select main."orders"."at" from main.orders'],
      [
        `select 'pg_catalog.version()' -- from pg_class\n, current_user`,
        `select 'pg_catalog.version()' -- from pg_class , pgc.current_user()`,
      ],
      ['select table_name from information_schema.tables', 'select table_name from pgc.is_tables'],
      ['select stream from events', 'select stream from events'],
    ] as const) {
      expect(plain(sql), sql).to.equal(turned)
    }
  })

  it('are looked up where they are cast', () => {
    for (const [sql, turned] of [
      [`select 'pg_class'::regclass::oid`, `select pgc.to_regclass('pg_class')::oid`],
      ['select $1::pg_catalog.regclass', 'select pgc.to_regclass($1)'],
      [`select cast('a.' || b as regclass)`, `select pgc.to_regclass('a.' || b)`],
      [`select ('a.' || b)::regclass`, `select pgc.to_regclass(('a.' || b))`],
      ['select quote_ident(a)::regclass', 'select pgc.to_regclass(pgc.quote_ident(a))'],
      ['select c.oid::regclass', 'select c.oid::varchar'],
      ['select a::name, b::pg_catalog.regtype', 'select a::varchar, b::varchar'],
    ] as const) {
      expect(plain(sql), sql).to.equal(turned)
    }
  })

  it('come with ways of writing that DuckDB has other ones for', () => {
    for (const [sql, turned] of [
      [
        `select 1 from pg_class where relname operator(pg_catalog.~) '^(a)$' collate pg_catalog.default`,
        `select 1 from pgc.pg_class where relname ~ '(?s:.*)(?:^(a)$)(?s:.*)'`,
      ],
      [`select 'a' = any('{a,b}'::text[]) from pg_class`, `select 'a' = any('[a,b]'::text[]) from pgc.pg_class`],
      [`select format('%I.%I', a, b), format('{}', a)`, `select pgc.format('%I.%I', a, b), format('{}', a)`],
      ['select json_build_object(1, 2)', 'select json_object(1, 2)'],
    ] as const) {
      expect(plain(sql), sql).to.equal(turned)
    }
    expect(forCatalogue(`select 'x' ~ 'y' from public.events`)).to.contain(`'x' ~ 'y'`)
  })

  it('are turned in time, however long the statement is', () => {
    const long = `select * from pg_class where oid in (${'1, '.repeat(20_000)}2)`
    const began = performance.now()
    expect(forCatalogue(long)).to.have.length(long.length + 4)
    expect(performance.now() - began).to.be.lessThan(2_000)
  })
})
