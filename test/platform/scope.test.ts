import { expect } from 'chai'
import { createScope } from '../../src/platform/scope.js'

describe('a scope', () => {
  it('closes its parts, the last one first, and once', async () => {
    const scope = createScope({ error: () => undefined })
    const closed: string[] = []
    const part = (name: string) => ({ name, close: async () => void closed.push(name) })
    expect(scope.add(part('a')).name).to.equal('a')
    scope.add(part('b'))
    await Promise.all([scope.close(), scope.close()])
    await scope.close()
    expect(closed).to.deep.equal(['b', 'a'])
  })

  it('closes the others where one fails, says so, and throws what failed first', async () => {
    const said: unknown[] = []
    const scope = createScope({ error: (...words: unknown[]) => void said.push(words) })
    const closed: string[] = []
    const failing = (name: string) => ({
      close: () => {
        throw new Error(name)
      },
    })
    scope.add({ close: () => void closed.push('first') })
    scope.add(failing('second'))
    scope.add(failing('third'))
    const error = await scope.close().catch((reason: Error) => reason.message)
    expect([error, closed, said.length]).to.deep.equal(['third', ['first'], 2])
  })
})
