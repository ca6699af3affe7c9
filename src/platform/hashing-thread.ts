import bcrypt from 'bcrypt'

/** What a thread of `passwords.ts` is asked: a new hash, or whether one is of this password. */
export type HashingTask =
  | { readonly do: 'hash'; readonly password: string; readonly cost: number }
  /** One of another password takes as long as if it were of this cost. */
  | { readonly do: 'compare'; readonly password: string; readonly hash: string; readonly asOf: number }

/** bcrypt's cost, of a hash. */
export const costOf = (hash: string): number => Number(/^\$2[aby]\$(\d\d)\$/.exec(hash)?.[1] ?? 0)

/** In a thread of its own, so it may take its time. */
export default (task: HashingTask): string | boolean => {
  const { password } = task
  if (task.do === 'hash') return bcrypt.hashSync(password, task.cost)
  if (bcrypt.compareSync(password, task.hash)) return true
  // Each cost takes as long as all below it: with this, a wrong guess at a cheaper hash takes as long as one at nobody's.
  for (let cheaper = costOf(task.hash); cheaper > 0 && cheaper < task.asOf; cheaper++) bcrypt.hashSync(password, cheaper)
  return false
}
