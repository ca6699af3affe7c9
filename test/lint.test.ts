import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { expect } from 'chai'

describe('lint', () => {
  /** What is found in a file of src/ that holds this. */
  const findings = (text: string): string => {
    const file = `src/lint-${process.pid}.ts`
    writeFileSync(file, text)
    try {
      return execFileSync('npx', ['biome', 'lint', '--vcs-enabled=false', file], { encoding: 'utf8', stdio: 'pipe' })
    } catch (error) {
      return (error as { stderr: string }).stderr
    } finally {
      rmSync(file)
    }
  }

  it('lets errors into the log under the key err alone', () => {
    const logging = (fields: string) => findings(`export const f = (log, error) => {\n  log.warn(${fields}, 'x')\n}\n`)
    for (const fields of ['{ error }', '{ error: error.message }', '{ part: 1, reason: error }'])
      expect(logging(fields), fields).to.contain('under the key err')
    expect(logging('{ err: error }')).to.not.contain('under the key err')
  })
})
