import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { codeOf, messageOf } from '../../../platform/errors.js'
import type { ChainHead } from './verify-chain.js'

const shape = z.object({
  position: z.number().int().positive(),
  /** The chain there, in hex. */
  chain: z.string().regex(/^[0-9a-f]{64}$/),
  /** When it was sealed, as ISO 8601. */
  at: z.string(),
  /** The key that signed it: Ed25519, SPKI in DER, Base64. */
  publicKey: z.string(),
  /** Base64. */
  signature: z.string(),
})

/** A head of the chain, signed. Kept where nobody who can write the store can reach it, it proves what the log was. */
export type Seal = z.infer<typeof shape>

/** The seal can't be read, is not signed by its key, or by another key than the one that is trusted. */
export class BadSeal extends Error {
  override readonly name = 'BadSeal'
}

const signedText = ({ position, chain, at }: Pick<Seal, 'position' | 'chain' | 'at'>): Buffer =>
  Buffer.from(`tillroll seal 1\n${position}\n${chain}\n${at}\n`, 'utf8')

const exported = (key: KeyObject): string => key.export({ type: 'spki', format: 'der' }).toString('base64')

/** The private key in a PEM file; one is made where there is no such file, readable by its owner alone. */
export const sealKey = async (path: string): Promise<{ readonly key: KeyObject; readonly made: boolean }> => {
  try {
    return { key: createPrivateKey(await readFile(path)), made: false }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT')
      throw new BadSeal(`${path} holds no private key in PEM: ${messageOf(error)}`, { cause: error })
    const { privateKey } = generateKeyPairSync('ed25519')
    await writeFile(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
    return { key: privateKey, made: true }
  }
}

/** Throws `BadSeal` for a key that is not Ed25519. */
export const makeSeal = ({ position, chain }: ChainHead, key: KeyObject, at: string): Seal => {
  if (key.asymmetricKeyType !== 'ed25519') throw new BadSeal('a seal is signed with an Ed25519 key')
  const signature = sign(null, signedText({ position, chain, at }), key).toString('base64')
  return { position, chain, at, publicKey: exported(createPublicKey(key)), signature }
}

/** The head that a seal's text speaks for. `trusted`: a public or private key in PEM, which must be the one that signed it. Throws `BadSeal`. */
export const openSeal = (text: string, trusted?: string | Buffer): Seal => {
  const seal = parsed(text)
  if (trusted !== undefined && exported(createPublicKey(trusted)) !== seal.publicKey)
    throw new BadSeal('the seal is signed with another key than the trusted one')
  const key = createPublicKey({ key: Buffer.from(seal.publicKey, 'base64'), type: 'spki', format: 'der' })
  if (!verify(null, signedText(seal), key, Buffer.from(seal.signature, 'base64')))
    throw new BadSeal('the signature of the seal does not fit it: it was changed')
  return seal
}

const parsed = (text: string): Seal => {
  try {
    return shape.parse(JSON.parse(text))
  } catch (error) {
    throw new BadSeal('this is no seal', { cause: error })
  }
}
