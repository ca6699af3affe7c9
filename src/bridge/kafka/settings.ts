import { readFileSync } from 'node:fs'
import { Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs'
import { z } from 'zod'
import { ConfigError } from '../../platform/config.js'

const yes = z.enum(['true', 'false']).transform((word) => word === 'true')

const variables = z.object({
  /** Set, or implied by KAFKA_CA and KAFKA_SASL_USERNAME. */
  KAFKA_TLS: yes.optional(),
  /** Files in PEM. */
  KAFKA_CA: z.string().optional(),
  KAFKA_CERT: z.string().optional(),
  KAFKA_KEY: z.string().optional(),
  KAFKA_SASL_MECHANISM: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).default('scram-sha-512'),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: z.string().optional(),
  /** Whether topics that are not there are made. */
  KAFKA_CREATE_TOPICS: yes.default(true),
  /** Replicas of a topic that is made; −1: what the brokers are set to. */
  KAFKA_REPLICATION: z.coerce.number().int().min(-1).max(100).default(-1),
})

const environment = variables
  .refine(({ KAFKA_TLS, KAFKA_CA, KAFKA_CERT }) => KAFKA_TLS !== false || (KAFKA_CA ?? KAFKA_CERT) === undefined, {
    path: ['KAFKA_TLS'],
    message: 'false contradicts KAFKA_CA and KAFKA_CERT',
  })
  .refine(({ KAFKA_CERT, KAFKA_KEY }) => (KAFKA_CERT === undefined) === (KAFKA_KEY === undefined), {
    path: ['KAFKA_CERT'],
    message: 'goes together with KAFKA_KEY',
  })
  .refine(({ KAFKA_SASL_USERNAME: user, KAFKA_SASL_PASSWORD: password }) => (user === undefined) === (password === undefined), {
    path: ['KAFKA_SASL_USERNAME'],
    message: 'goes together with KAFKA_SASL_PASSWORD',
  })

export type KafkaSettings = {
  readonly brokers: readonly string[]
  readonly tls: Exclude<KafkaConfig['ssl'], undefined>
  readonly sasl: SASLOptions | undefined
  readonly createTopics: boolean
  readonly replication: number
}

/** How to reach the brokers, beside their addresses. Throws `ConfigError`. An empty variable counts as unset. */
export const readKafkaSettings = (brokers: readonly string[], env: NodeJS.ProcessEnv = process.env): KafkaSettings => {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = environment.safeParse(set)
  const said = parsed.error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`) ?? []
  const wrong = [...said, ...brokers.flatMap(misplaced), ...Object.keys(set).flatMap(misspelt)]
  if (!parsed.success || wrong.length > 0) throw new ConfigError(wrong.join('\n'))
  const { KAFKA_CA: ca, KAFKA_CERT: cert, KAFKA_KEY: key, ...rest } = parsed.data
  const { KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password, KAFKA_SASL_MECHANISM: mechanism } = rest
  const wantsTls = rest.KAFKA_TLS ?? (ca !== undefined || cert !== undefined || username !== undefined)
  const files = {
    ...(ca !== undefined && { ca: [pem('KAFKA_CA', ca)] }),
    ...(cert !== undefined && { cert: pem('KAFKA_CERT', cert), key: pem('KAFKA_KEY', key!) }),
  }
  return {
    brokers,
    tls: wantsTls && (Object.keys(files).length > 0 ? files : true),
    sasl: username === undefined ? undefined : ({ mechanism, username, password: password! } as SASLOptions),
    createTopics: rest.KAFKA_CREATE_TOPICS,
    replication: rest.KAFKA_REPLICATION,
  }
}

const misplaced = (broker: string): readonly string[] =>
  /^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/.test(broker) ? [] : [`KAFKA_BROKERS: "${broker}" is not host:port`]

/** A name that is almost one of ours; those that Kubernetes makes for a service of the name kafka are no mistakes. */
const misspelt = (name: string): readonly string[] => {
  const known = Object.keys(variables.shape)
  if (!name.startsWith('KAFKA_') || known.includes(name) || /_(SERVICE|PORT)(_|$)/.test(name)) return []
  const letters = (word: string) => [...word].sort().join('')
  const close = known.find((one) => one.startsWith(name) || name.startsWith(one) || letters(one) === letters(name))
  if (close) return [`${name}: no such setting; did you mean ${close}?`]
  return /^KAFKA_(SASL|SSL)/.test(name) ? [`${name}: no such setting`] : []
}

const pem = (name: string, file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`${name}: ${error instanceof Error ? error.message : error}`)
  }
}

/** Nothing connects yet. The library's log is off: what fails is thrown, and told by who tries again. */
export const kafkaClient = ({ brokers, tls, sasl }: KafkaSettings, retry: KafkaConfig['retry'] = {}): Kafka =>
  new Kafka({
    clientId: 'tillroll',
    brokers: [...brokers],
    ...(tls && { ssl: tls }),
    ...(sasl && { sasl }),
    logLevel: logLevel.NOTHING,
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    // Also for what a new writer waits for: that its predecessor's transaction is ended, that a coordinator has loaded.
    retry: { initialRetryTime: 20, retries: 8, maxRetryTime: 1_000, ...retry },
  })
