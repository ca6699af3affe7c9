import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, parse, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type BuildFailure, build, type Message } from 'esbuild'
import { nearNames } from './names.js'

/** A file that can't be found, read or run; the message says where in it. */
export class UnusableFile extends Error {
  override readonly name = 'UnusableFile'
}

/** A file of the analyst's own, in TypeScript or JavaScript, that has been run. */
export type AnalystFile = {
  /** As people know it. */
  readonly name: string
  readonly exports: { readonly [name: string]: unknown }
  /** Where in the file, or in one that it imports, an error was thrown: `fold.ts:12:7`; `undefined` where that can't be told. */
  readonly placeOf: (error: unknown) => string | undefined
}

/**
 * Runs the file, with what it imports, in this process and with its rights: it must be somebody's own. Its types are not checked. (docs/decisions/0036)
 * Throws `UnusableFile`.
 */
export const loadFile = async (path: string): Promise<AnalystFile> => {
  const file = resolve(path)
  const name = basename(file)
  await readFile(file).catch((error: NodeJS.ErrnoException) => {
    const why = { ENOENT: 'there is no such file', EISDIR: 'it is a folder' }[error.code ?? ''] ?? error.message
    throw new UnusableFile(`${path} can't be read: ${why}`, { cause: error })
  })
  // From here on the stack of an error has the lines that were written.
  process.setSourceMapsEnabled(true)
  const folder = await mkdtemp(join(tmpdir(), 'tillroll-fold-'))
  try {
    const { inputs, module } = await bundled(file, join(folder, 'fold.mjs'))
    const placeOf = placesIn(inputs)
    const exports = (await import(pathToFileURL(module).href).catch((error: unknown) => {
      throw new UnusableFile(`${placeOf(error) ?? name}: ${messageOf(error)}`, { cause: error })
    })) as { readonly default?: object }
    // What a CommonJS file exports is all of it the default.
    return { name, exports: { ...exports.default, ...exports }, placeOf }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** One module of the file and all that it imports, so that it can stand anywhere. */
const bundled = async (file: string, module: string) => {
  const { root } = parse(file)
  try {
    const { outputFiles, metafile } = await build({
      entryPoints: [file],
      outfile: module,
      bundle: true,
      write: false,
      metafile: true,
      absWorkingDir: root,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: 'inline',
      // The packages that it imports may want Node's own modules the old way.
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
      logLevel: 'silent',
    })
    await writeFile(module, outputFiles[0]!.contents)
    return { module, inputs: new Set(Object.keys(metafile.inputs).map((input) => resolve(root, input))) }
  } catch (error) {
    const [first] = (error as BuildFailure).errors ?? []
    throw new UnusableFile(first ? wordsOf(first) : messageOf(error), { cause: error })
  }
}

const wordsOf = ({ text, location }: Message): string =>
  location ? `${basename(location.file)}:${location.line}:${location.column + 1}: ${text}` : text

const frame = /(?:\(|at (?:async )?)((?:file:\/\/)?(?:\/|[A-Za-z]:[\\/]).*?):(\d+):(\d+)\)?$/

const placesIn =
  (inputs: ReadonlySet<string>) =>
  (error: unknown): string | undefined => {
    for (const line of (error instanceof Error ? (error.stack ?? '') : '').split('\n')) {
      const [, where = '', row, column] = frame.exec(line) ?? []
      const path = where.startsWith('file:') ? fileURLToPath(where) : where
      if (inputs.has(path)) return `${basename(path)}:${row}:${column}`
    }
    return undefined
  }

/** A function that the file exports. Throws `UnusableFile` where it isn't there, or is something else. */
export const functionOf = <Work>(file: AnalystFile, word: string): Work => {
  const found = optionalFunctionOf<Work>(file, word)
  if (found) return found
  const [near] = nearNames(word, Object.keys(file.exports))
  throw new UnusableFile(`${file.name} exports no ${word}${near === undefined ? '' : `: is it called ${near}?`}`)
}

/** The same, where it may be left out. */
export const optionalFunctionOf = <Work>({ name, exports }: AnalystFile, word: string): Work | undefined => {
  const found = exports[word]
  if (found === undefined || typeof found === 'function') return found as Work | undefined
  throw new UnusableFile(`${name}: ${word} must be a function`)
}
