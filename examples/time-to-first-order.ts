/**
 * How long it took people from their registration to their first order, in days: of how many, the middle one and the mean.
 * npx tillroll history replay examples/time-to-first-order.ts
 */
import type { Evolve } from 'tillroll/fold'

type People = {
  /** When each of those registered who have not ordered yet. */
  readonly waiting: Map<string, number>
  readonly days: number[]
}

export const initial = (): People => ({ waiting: new Map(), days: [] })

export const evolve: Evolve<People> = (people, event) => {
  const { waiting, days } = people
  if (event.type === 'UserRegistered') waiting.set(event.data.userId, Date.parse(event.at))
  if (event.type === 'UserErased') waiting.delete(event.data.userId)
  if (event.type === 'OrderPlaced') {
    const registered = waiting.get(event.data.customerId)
    if (registered !== undefined) days.push((Date.parse(event.at) - registered) / 86_400_000)
    waiting.delete(event.data.customerId)
  }
  return people
}

export const result = ({ waiting, days }: People) => {
  const sorted = [...days].sort((a, b) => a - b)
  const rounded = (n: number | undefined): number | undefined => n && Math.round(n * 100) / 100
  return {
    ordered: days.length,
    'not yet': waiting.size,
    'median days': rounded(sorted[Math.floor(sorted.length / 2)]),
    'mean days': rounded(days.reduce((sum, one) => sum + one, 0) / (days.length || 1)),
  }
}
