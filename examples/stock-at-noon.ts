/**
 * What stock a product showed at noon of each day. The product is the first that the events are about, so say which, by its id:
 * npx tillroll history replay examples/stock-at-noon.ts --stream product-$PRODUCT --every day --tz Europe/Berlin --plot
 */
import type { Evolve } from 'tillroll/fold'

type Stock = { readonly stock: number; readonly noon: number }

export const initial: Stock = { stock: 0, noon: 0 }

export const evolve: Evolve<Stock> = ({ stock, noon }, event, { time }) => {
  const now = after(stock, event)
  return { stock: now, noon: time(event.at) <= '12:00:00' ? now : noon }
}

/** A held piece can't be ordered; one that has left was held before. */
const after = (stock: number, event: Parameters<typeof evolve>[1]): number => {
  switch (event.type) {
    case 'ProductAdded':
    case 'StockCounted':
      return event.data.stock
    case 'StockReserved':
      return stock + event.data.was - event.data.quantity
    default:
      return stock
  }
}

/** Until something happens, a day's noon shows what was there at midnight. */
export const nextPeriod = ({ stock }: Stock): Stock => ({ stock, noon: stock })

export const result = ({ noon }: Stock) => ({ stock: noon })
