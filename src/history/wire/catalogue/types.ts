/** The types that answers and parameters have here, under Postgres's numbers. */
export const types: readonly (readonly [oid: number, name: string, size: number, category: string])[] = [
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

export const longNames: { readonly [name: string]: string } = {
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

/** What Postgres calls the type of a view's column; lists and structs are JSON. */
export const oidOfColumn = (type: string): number => ({ BIGINT: 20, BOOLEAN: 16, TIMESTAMPTZ: 1184, VARCHAR: 25 })[type] ?? 114

const typeOf = (oid: number) => types.find(([one]) => one === oid)!

export const shortName = (oid: number): string => typeOf(oid)[1]

/** As information_schema and `format_type` write it. */
export const longName = (oid: number): string => longNames[shortName(oid)] ?? shortName(oid)

/** Bytes of a value; −1 where they differ. */
export const sizeOf = (oid: number): number => typeOf(oid)[2]
