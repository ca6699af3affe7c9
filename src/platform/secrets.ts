import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Config } from './config.js'
import { writeNew } from './files.js'

export type Secrets = {
  /** The first signs tokens, all are accepted. */
  readonly jwtSecrets: readonly string[]
  /** Of the HMACs that stand for e-mail addresses. Another key finds none of the users. */
  readonly emailKey: string
}

/** The file of secrets can't be used; to replace it would lock everybody out, so people must look at it. */
export class SecretsError extends Error {
  override readonly name = 'SecretsError'
}

const stored = z.object({ jwtSecrets: z.array(z.string().min(32)).min(1), emailKey: z.string().min(32) })

/**
 * From the environment, else from `secrets.json` in the data folder, which is made where one is missing: mode 600, whole and on disk
 * before the first use; all processes of the folder have the same. Throws `SecretsError`.
 */
export const readSecrets = async ({ data, jwtSecrets, emailKey }: Config): Promise<Secrets> => {
  if (jwtSecrets && emailKey) return { jwtSecrets, emailKey }
  const path = join(data, 'secrets.json')
  const kept = (await readStored(path)) ?? (await make(data, path)) ?? (await readStored(path))
  if (!kept) throw new SecretsError(`${path} went away while it was read`)
  return { jwtSecrets: jwtSecrets ?? kept.jwtSecrets, emailKey: emailKey ?? kept.emailKey }
}

/** The key of a data folder that is only to be read; `undefined`: the folder has none yet. Throws `SecretsError`. */
export const emailKeyOf = async ({ data, emailKey }: Pick<Config, 'data' | 'emailKey'>): Promise<string | undefined> =>
  emailKey ?? (await readStored(join(data, 'secrets.json')))?.emailKey

/** Gives a new data folder its secrets: this e-mail key, and a secret for tokens that no other folder has. */
export const writeSecrets = async (data: string, emailKey: string): Promise<void> => {
  const secrets = { jwtSecrets: [newSecret()], emailKey }
  await writeNew(join(data, 'secrets.json'), `${JSON.stringify(secrets, null, 2)}\n`, 0o600)
}

export const newSecret = (): string => randomBytes(32).toString('base64url')

const readStored = async (path: string) => {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  // Neither a syntax error nor zod's message is passed on: they quote what they stumble over.
  const parsed = stored.safeParse(parse(text))
  if (!parsed.success) throw new SecretsError(`${path} is damaged: restore it from a backup, or set JWT_SECRETS and EMAIL_KEY`)
  return parsed.data
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const make = async (data: string, path: string) => {
  const made = { jwtSecrets: [newSecret()], emailKey: newSecret() }
  await mkdir(data, { recursive: true })
  return (await writeNew(path, `${JSON.stringify(made, null, 2)}\n`, 0o600)) ? made : undefined
}
