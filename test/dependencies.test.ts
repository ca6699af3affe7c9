import { readFileSync } from 'node:fs'
import { expect } from 'chai'

type Locked = {
  readonly version: string
  readonly license?: string
  readonly integrity?: string
  readonly resolved?: string
  readonly hasInstallScript?: true
}

const read = (name: string) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'))

/** Licences under which a project that is under MIT may use and pass on a dependency. MPL-2.0 binds changes of its own files alone. */
const compatible = new Set([
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'MPL-2.0',
  'Zlib',
  'PSF-2.0',
  '0BSD',
  'CC0-1.0',
  'Unlicense',
])

/** Those whose licence has no short name, with what was read in it. */
const lookedAt: { readonly [name: string]: string } = {
  // Bitstream Vera's: free to use, change and pass on, under another name where it is changed, and not sold by itself.
  'dejavu-fonts-ttf': 'SEE LICENSE IN README.md AND LICENSE',
}

/** An SPDX expression of licences, all of which (AND) or one of which (OR) must be compatible. */
const isCompatible = (expression: string): boolean =>
  expression
    .replaceAll(/[()]/g, '')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((one) => compatible.has(one.trim())))

describe('the dependencies', () => {
  const { dependencies, devDependencies, overrides, allowScripts } = read('package.json')
  const { packages, lockfileVersion } = read('package-lock.json') as {
    packages: Record<string, Locked>
    lockfileVersion: number
  }
  const locked = Object.entries(packages)
    .filter(([path]) => path !== '')
    .map(([path, one]) => ({ ...one, name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length) }))

  it('are named by exact versions, and locked with their sums', () => {
    const named = { ...dependencies, ...devDependencies, ...overrides } as Record<string, string>
    for (const [name, version] of Object.entries(named)) expect(version, name).to.match(/^\d+\.\d+\.\d+(-[\w.]+)?$/)
    expect(lockfileVersion).to.equal(3)
    expect(locked.length).to.be.greaterThan(100)
    for (const { name, version, integrity } of locked) {
      expect(version, name).to.match(/^\d/)
      expect(integrity, name).to.match(/^sha512-/)
    }
    // Whoever installs says from where.
    for (const { name, resolved } of locked) expect(resolved, name).to.equal(undefined)
  })

  it('may run scripts when they are installed by name alone, and each that has one has its word', () => {
    const withScript = new Set(locked.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name))
    expect(Object.keys(allowScripts)).to.have.members([...withScript])
    for (const allowed of Object.values(allowScripts)) expect(allowed).to.be.a('boolean')
  })

  it('are under licences that MIT goes with', () => {
    const others = locked.filter(({ name, license = 'none' }) => !isCompatible(license) && lookedAt[name] !== license)
    expect(others.map(({ name, license }) => `${name}: ${license ?? 'none'}`)).to.deep.equal([])
    const names = new Set(locked.map(({ name }) => name))
    for (const name of Object.keys(lookedAt)) expect(names.has(name), `${name} is no dependency any more`).to.equal(true)
  })

  it('would be refused under others', () => {
    for (const licence of ['GPL-3.0', 'AGPL-3.0-only', 'none', 'MIT AND GPL-2.0', 'UNLICENSED', 'SSPL-1.0', 'BUSL-1.1'])
      expect(isCompatible(licence), licence).to.equal(false)
    for (const licence of ['(MIT OR GPL-3.0)', '(MIT AND Zlib)', 'Apache-2.0 AND MIT'])
      expect(isCompatible(licence), licence).to.equal(true)
  })
})
