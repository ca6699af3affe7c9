import { Rejected } from './decider.js'
import { compareIds, type ProductId } from './ids.js'
import type { Cents } from './money.js'

/** What is ordered: merged items sorted by product, the total, and the client's word for where it stands. */
export type Terms = { readonly items: readonly OrderItem[]; readonly price: Cents; readonly status: string }

/** `price` is that of one piece when it was ordered; a product need not have one. */
export type OrderItem = { readonly productId: ProductId; readonly quantity: number; readonly price?: Cents }

/** One product named twice is added up; sorted by product, so that of two orders over the same last units one always wins. */
export const mergeItems = <Item extends { productId: ProductId; quantity: number }>(items: readonly Item[]): Item[] => {
  const merged = new Map<ProductId, Item>()
  for (const item of items) {
    const same = merged.get(item.productId)
    merged.set(item.productId, same ? { ...same, quantity: same.quantity + item.quantity } : item)
  }
  return [...merged.values()].sort((a, b) => compareIds(a.productId, b.productId))
}

/** The items' sum, where each has a price. */
export const sumOf = (items: readonly OrderItem[]): Cents | undefined =>
  items.reduce<Cents | undefined>(
    (sum, { price, quantity }) => (sum === undefined || price === undefined ? undefined : sum + price * quantity),
    0,
  )

export const quantityOf = (terms: Terms | undefined, productId: ProductId): number =>
  terms?.items.find((item) => item.productId === productId)?.quantity ?? 0

/** The items of which `next` asks for more than `now`. */
export const raisedItems = (now: Terms | undefined, next: Terms): readonly OrderItem[] =>
  next.items.filter(({ productId, quantity }) => quantity > quantityOf(now, productId))

export const agreedPrice = (items: readonly OrderItem[], price: Cents | undefined): Cents => {
  const sum = sumOf(items)
  if (sum !== undefined && price !== undefined && price !== sum) throw new Rejected('PriceDiffers', { sum })
  const agreed = sum ?? price
  if (agreed === undefined) throw new Rejected('PriceRequired')
  return agreed
}

/** The total where it changes. The sum rules; without one the client's word stands, and without a word the total stays. */
export const newPrice = (
  items: readonly OrderItem[],
  asked: Cents | undefined,
  itemsDiffer: boolean,
  terms: Terms,
): Cents | undefined => {
  if (!itemsDiffer && (asked === undefined || asked === terms.price)) return undefined
  const price = agreedPrice(items, asked ?? (sumOf(items) === undefined ? terms.price : undefined))
  return price === terms.price ? undefined : price
}

export const keepPrices = (items: readonly OrderItem[], terms: Terms): readonly OrderItem[] =>
  items.map((item) => {
    const had = terms.items.find(({ productId }) => productId === item.productId)
    if (!had) return item
    const { price: _, ...rest } = item
    return had.price === undefined ? rest : { ...rest, price: had.price }
  })

export const sameItems = (a: readonly OrderItem[], b: readonly OrderItem[]): boolean =>
  a.length === b.length && a.every((item, i) => item.productId === b[i]!.productId && item.quantity === b[i]!.quantity)

export const termsOf = ({ items, price, status }: Terms): Terms => ({ items, price, status })
