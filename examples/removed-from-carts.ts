/**
 * The products that are taken out of carts most often, with how often they are put in.
 * npx tillroll history replay examples/removed-from-carts.ts --plot removed.svg
 */
import type { Evolve } from 'tillroll/fold'

type Counts = { readonly name: string; readonly added: number; readonly removed: number }

const nothing: Counts = { name: '', added: 0, removed: 0 }

type Products = Map<string, Counts>

export const initial = (): Products => new Map()

export const evolve: Evolve<Products> = (products, event) => {
  switch (event.type) {
    case 'ProductAdded':
    case 'ProductRenamed': {
      const { productId, name } = event.data
      return products.set(productId, { ...nothing, ...products.get(productId), name })
    }
    case 'CartItemAdded':
      return count(products, event.data.productId, 'added')
    case 'CartItemRemoved':
      return count(products, event.data.productId, 'removed')
    default:
      return products
  }
}

const count = (products: Products, productId: string, what: 'added' | 'removed'): Products => {
  const before = products.get(productId) ?? nothing
  return products.set(productId, { ...before, [what]: before[what] + 1 })
}

export const result = (products: Products) =>
  [...products.values()].filter(({ removed }) => removed > 0).sort((a, b) => b.removed - a.removed || a.added - b.added)
