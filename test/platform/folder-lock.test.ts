import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { FolderInUse, holderOf, holdLock } from '../../src/platform/folder-lock.js'

const holder = new URL('./lock-holder.ts', import.meta.url)

describe('holdLock', () => {
  let folder: string
  const children: ChildProcess[] = []

  const holdElsewhere = async (path: string) => {
    const child = fork(holder, [path])
    children.push(child)
    const [answer] = (await once(child, 'message')) as [string]
    return { child, answer }
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tillroll-lock-'))
  })

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await rm(folder, { recursive: true })
  })

  const refusal = async (path: string): Promise<Error> => {
    try {
      await holdLock(path)
    } catch (error) {
      return error as Error
    }
    throw new Error('the lock was given')
  }

  it('is given once, and again after its release', async () => {
    const lock = await holdLock(folder)
    const error = await refusal(folder)
    expect(error).to.be.instanceOf(FolderInUse)
    expect(error.message).to.contain(folder).and.contain(`pid ${process.pid}`)
    await lock.release()
    await (await holdLock(folder)).release()
  })

  it('knows the folder under another name', async () => {
    const link = `${folder}-link`
    await symlink(folder, link)
    const lock = await holdLock(folder)
    try {
      expect(await refusal(link)).to.be.instanceOf(FolderInUse)
    } finally {
      await lock.release()
      await rm(link)
    }
  })

  it('makes the folder, and tells folders apart', async () => {
    const [one, two] = [join(folder, 'a', 'b'), join(folder, 'a', 'c')]
    const locks = [await holdLock(one), await holdLock(two)]
    for (const lock of locks) await lock.release()
  })

  it('names the other process that holds it, and is free when that process was killed', async () => {
    const { child, answer } = await holdElsewhere(folder)
    expect(answer).to.equal('held')
    expect((await refusal(folder)).message).to.contain(`pid ${child.pid}`)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await (await holdLock(folder)).release()
  })

  it('tells who holds it without taking it', async () => {
    expect(await holderOf(join(folder, 'missing'))).to.equal(undefined)
    expect(await holderOf(folder)).to.equal(undefined)
    const lock = await holdLock(folder)
    expect(await holderOf(folder)).to.deep.equal({ pid: process.pid })
    await lock.release()
    expect(await holderOf(folder)).to.equal(undefined)
  })

  it('stays with a process that is stopped', async () => {
    const { child } = await holdElsewhere(folder)
    child.kill('SIGSTOP')
    expect(await refusal(folder)).to.be.instanceOf(FolderInUse)
  })

  it('is given to one of many that ask at the same moment', async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => holdElsewhere(folder)))
    expect(all.filter(({ answer }) => answer === 'held')).to.have.length(1)
    expect(all.filter(({ answer }) => answer === 'FolderInUse')).to.have.length(3)
  })
})
