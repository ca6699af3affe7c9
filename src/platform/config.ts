import { resolve } from 'node:path'
import { z } from 'zod'
import { isAddressOrRange } from './addresses.js'

/**
 * The environment, read and checked once. Durations are milliseconds. `eventstoreUrl`, `databaseUrl` and `kafkaBrokers`
 * are absent where the embedded part serves instead.
 */
export type Config = ReturnType<typeof settings>

const integer = (min: number, max: number) => {
  const must = `must be a whole number from ${min} to ${max}`
  return z.coerce.number(must).int(must).min(min, must).max(max, must)
}
const duration = (standard: number) => integer(1, 86_400_000).default(standard)
const count = (standard: number, max = 1_000_000_000) => integer(0, max).default(standard)
const oneOf = <const Words extends readonly [string, ...string[]]>(...words: Words) =>
  z.enum(words, `must be one of ${words.join(', ')}`)

const broker = /^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/
const list = (text: string): readonly string[] => text.split(',').map((item) => item.trim())

const isOrigin = (text: string): boolean => URL.canParse(text) && new URL(text).origin === text

/** A secret that is shorter, or of fewer characters, can be guessed. */
const secretLength = 32
const secretCharacters = 8
const isStrong = (secret: string): boolean => secret.length >= secretLength && new Set(secret).size >= secretCharacters
const strong = `must have at least ${secretLength} characters, ${secretCharacters} of them different: openssl rand -hex 32 makes one`

const environment = z.object({
  /** Processes that serve HTTP; 0: the one process does it itself. Left out: by the number of cores. */
  HTTP_WORKERS: integer(0, 128).optional(),
  PORT: integer(0, 65_535).default(3000),
  HOST: z.string().default('127.0.0.1'),
  TILLROLL_DATA: z.string().default('./data'),
  EVENTSTORE_URL: z
    .string()
    .regex(/^(esdb|kurrentdb)(\+discover)?:\/\//, 'must begin with esdb:// or esdb+discover://')
    .optional(),
  /** How appends are made: over the client's call by our own code, or by the client. */
  EVENTSTORE_APPENDS: oneOf('direct', 'client').default('direct'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must begin with postgres://')
    .optional(),
  KAFKA_BROKERS: z
    .string()
    .refine((text) => list(text).every((one) => broker.test(one)), 'must be host:port, several by comma, such as localhost:9092')
    .optional(),
  /** Comma-separated, the first signs, all are accepted: rotate by putting a new one in front. */
  JWT_SECRETS: z
    .string()
    .refine((text) => list(text).every(isStrong), `each ${strong}`)
    .optional(),
  EMAIL_KEY: z.string().min(secretLength, `must have at least ${secretLength} characters`).optional(),
  TOKEN_TTL: integer(1, 2_147_483_647).default(86_400),
  TOKEN_ISSUER: z.string().max(200).default('tillroll'),
  TOKEN_AUDIENCE: z.string().max(200).default('tillroll'),
  LOG_LEVEL: oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent').default('info'),
  /** Left out: for people where the log goes to a terminal, else JSON. */
  LOG_FORMAT: oneOf('people', 'json').optional(),
  BCRYPT_COST: integer(4, 16).default(12),
  /** Requests a minute from one address; 0: no limit. */
  RATE_LIMIT: count(60_000),
  /** Failed log-ins a minute for one e-mail and from one address (ten times as many); 0: no limit. */
  LOGIN_RATE_LIMIT: count(20),
  /** Addresses and ranges of proxies, by comma, that are believed when they say for whom they ask (X-Forwarded-For). */
  TRUSTED_PROXIES: z
    .string()
    .refine((text) => list(text).every(isAddressOrRange), 'must be addresses or ranges such as 10.0.0.0/8, several by comma')
    .optional(),
  /** Origins, by comma, whose pages may ask from a browser; left out: none but our own. */
  CORS_ORIGINS: z
    .string()
    .refine((text) => list(text).every(isOrigin), 'must be origins such as https://shop.example, several by comma')
    .optional(),
  /** Connections that may be open, in all and from one address. */
  MAX_CONNECTIONS: integer(1, 1_000_000).default(10_000),
  MAX_CONNECTIONS_PER_ADDRESS: integer(1, 1_000_000).default(1_000),
  /** What one user may read live at once, in each process that serves HTTP. */
  MAX_STREAMS: integer(1, 10_000).default(25),
  /** For a client: to send the headers, to send a request, and to take some of an answer. */
  HEADERS_TIMEOUT: duration(10_000),
  BODY_TIMEOUT: duration(30_000),
  STALLED_TIMEOUT: duration(20_000),
  /** After which a request is answered 503, whatever is still done about it. */
  REQUEST_TIMEOUT: duration(65_000),
  COMMAND_DEADLINE: duration(10_000),
  /** How long the recovery watches an unsettled order before it takes it up; longer than a command's deadline. */
  RECOVERY_DELAY: duration(20_000),
  /** How long somebody else's unfinished claim on an e-mail is respected. */
  CLAIM_YOUNG: duration(60_000),
  OWN_WRITES_WAIT: duration(1_000),
  READ_AFTER_WAIT: duration(5_000),
  LEASE_TTL: duration(3_000),
  CACHE_STREAMS: count(10_000, 10_000_000),
  TOPIC_PARTITIONS: integer(1, 1_000).default(8),
  /** What queries of the history may take: memory, as DuckDB writes it, threads, and time. */
  HISTORY_MEMORY: z
    .string()
    .regex(/^\d{1,6}(\.\d+)?\s?[KMGT]i?B$/i, 'must be an amount of memory such as 512MB')
    .default('512MB'),
  HISTORY_THREADS: integer(1, 256).default(2),
  HISTORY_TIMEOUT: duration(60_000),
  /** Where `serve` opens the history to the tools of PostgreSQL; left out: it doesn't. */
  HISTORY_PORT: integer(0, 65_535).optional(),
  HISTORY_HOST: z.string().default('127.0.0.1'),
  /** Files, in PEM. */
  HISTORY_TLS_CERT: z.string().optional(),
  HISTORY_TLS_KEY: z.string().optional(),
})

const settings = (env: z.infer<typeof environment>) => ({
  port: env.PORT,
  httpWorkers: env.HTTP_WORKERS,
  host: env.HOST,
  data: resolve(env.TILLROLL_DATA),
  eventstoreUrl: env.EVENTSTORE_URL,
  eventstoreAppends: env.EVENTSTORE_APPENDS,
  databaseUrl: env.DATABASE_URL,
  kafkaBrokers: env.KAFKA_BROKERS === undefined ? undefined : list(env.KAFKA_BROKERS),
  jwtSecrets: env.JWT_SECRETS === undefined ? undefined : list(env.JWT_SECRETS),
  emailKey: env.EMAIL_KEY,
  /** Seconds. */
  tokenTtl: env.TOKEN_TTL,
  tokenIssuer: env.TOKEN_ISSUER,
  tokenAudience: env.TOKEN_AUDIENCE,
  logLevel: env.LOG_LEVEL,
  logFormat: env.LOG_FORMAT,
  bcryptCost: env.BCRYPT_COST,
  rateLimit: env.RATE_LIMIT,
  loginRateLimit: env.LOGIN_RATE_LIMIT,
  trustedProxies: env.TRUSTED_PROXIES === undefined ? [] : list(env.TRUSTED_PROXIES),
  corsOrigins: env.CORS_ORIGINS === undefined ? [] : list(env.CORS_ORIGINS),
  maxConnections: env.MAX_CONNECTIONS,
  maxConnectionsPerAddress: env.MAX_CONNECTIONS_PER_ADDRESS,
  maxStreams: env.MAX_STREAMS,
  headersTimeout: env.HEADERS_TIMEOUT,
  bodyTimeout: env.BODY_TIMEOUT,
  stalledTimeout: env.STALLED_TIMEOUT,
  requestTimeout: env.REQUEST_TIMEOUT,
  commandDeadline: env.COMMAND_DEADLINE,
  recoveryDelay: env.RECOVERY_DELAY,
  claimYoung: env.CLAIM_YOUNG,
  ownWritesWait: env.OWN_WRITES_WAIT,
  readAfterWait: env.READ_AFTER_WAIT,
  leaseTtl: env.LEASE_TTL,
  cacheStreams: env.CACHE_STREAMS,
  topicPartitions: env.TOPIC_PARTITIONS,
  historyMemory: env.HISTORY_MEMORY,
  historyThreads: env.HISTORY_THREADS,
  historyTimeout: env.HISTORY_TIMEOUT,
  historyPort: env.HISTORY_PORT,
  historyHost: env.HISTORY_HOST,
  historyTlsCert: env.HISTORY_TLS_CERT,
  historyTlsKey: env.HISTORY_TLS_KEY,
})

/** A setting that can't be used; the message names each variable and what it should be. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Throws `ConfigError`. An empty variable counts as unset. */
export const readConfig = (env: NodeJS.ProcessEnv = process.env): Config => {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = environment.safeParse(set)
  const problems = [
    ...(parsed.error?.issues.map((issue) => problem(issue, set)) ?? []),
    ...(parsed.success ? contradictions(parsed.data) : []),
    ...withoutBrokers(set),
  ]
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems.join('\n'))
  return settings(parsed.data)
}

/** What each setting allows by itself, and not beside another. */
const contradictions = (env: z.infer<typeof environment>): readonly string[] => {
  const { COMMAND_DEADLINE, RECOVERY_DELAY, HISTORY_TIMEOUT, REQUEST_TIMEOUT } = env
  const longer = (than: number, is: number) => `(${is} ms is not longer than ${than} ms)`
  return [
    ...(RECOVERY_DELAY > COMMAND_DEADLINE
      ? []
      : [
          `RECOVERY_DELAY: must be longer than COMMAND_DEADLINE, or orders that are still being placed would be taken up ${longer(COMMAND_DEADLINE, RECOVERY_DELAY)}`,
        ]),
    ...(REQUEST_TIMEOUT > HISTORY_TIMEOUT
      ? []
      : [
          `REQUEST_TIMEOUT: must be longer than HISTORY_TIMEOUT, or a query that is still allowed would be given up ${longer(HISTORY_TIMEOUT, REQUEST_TIMEOUT)}`,
        ]),
  ]
}

/** Who says how a Kafka is to be reached, and not where, would find the topic in Postgres. */
const withoutBrokers = (set: NodeJS.ProcessEnv): readonly string[] => {
  if (set.KAFKA_BROKERS !== undefined) return []
  const meant = /^KAFKA_(BROKER|TLS|CA|CERT|KEY|SASL_(MECHANISM|USERNAME|PASSWORD)|CREATE_TOPICS|REPLICATION)$/
  const names = Object.keys(set).filter((name) => meant.test(name))
  return names.map((name) => `${name}: is set, but KAFKA_BROKERS, which says where Kafka is, is not`)
}

/** The variable, what it is, and what it should be. A secret is not shown. */
const problem = ({ path: [name], message }: z.core.$ZodIssue, set: NodeJS.ProcessEnv): string => {
  const value = /SECRET|KEY|URL/.test(String(name)) ? '' : ` (it is ${JSON.stringify(set[String(name)])})`
  return `${String(name)}: ${message}${value}`
}
