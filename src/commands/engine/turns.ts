/** Runs what works on one stream one after the other inside this process. */
export type Turns = <Result>(name: string, work: () => Promise<Result>) => Promise<Result>

export const createTurns = (): Turns => {
  const last = new Map<string, Promise<unknown>>()
  return async (name, work) => {
    const before = last.get(name)
    const turn = before === undefined ? work() : before.then(work, work)
    last.set(name, turn)
    try {
      return await turn
    } finally {
      if (last.get(name) === turn) last.delete(name)
    }
  }
}
