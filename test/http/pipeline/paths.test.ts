import { expect } from 'chai'
import { createPaths } from '../../../src/http/pipeline/paths.js'

describe('paths', () => {
  const find = createPaths(['/orders/:id', '/orders/new', '/orders/:id/history', '/orders'].map((path) => [path, path] as const))

  it('are found by their letters first, then by their parameters', () => {
    expect(find('/orders/new')).to.deep.equal({ value: '/orders/new', parameters: {} })
    expect(find('/orders/7')).to.deep.equal({ value: '/orders/:id', parameters: { id: '7' } })
    expect(find('/orders/7/history')).to.deep.equal({ value: '/orders/:id/history', parameters: { id: '7' } })
  })

  it('are compared to the letter', () => {
    for (const path of ['/Orders', '/orders/', '/orders//history', '/orders/7/', '/orders/7/history/8', 'orders', '', '/']) {
      expect(find(path), path).to.equal(undefined)
    }
  })

  it('have their parameters decoded, where that can be done', () => {
    expect(find('/orders/%37')!.parameters).to.deep.equal({ id: '7' })
    expect(find('/orders/a%2Fb')!.parameters).to.deep.equal({ id: 'a/b' })
    expect(find('/orders/%ff')!.parameters).to.deep.equal({ id: '%ff' })
    expect(find('/orders/__proto__')!.parameters).to.deep.equal({ id: '__proto__' })
  })
})
