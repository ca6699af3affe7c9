import type { Log } from './log.js'

/** What was started, and has to be stopped in order: the last one first. */
export type Scope = {
  /** Closes `part` when the scope ends; answers it. */
  readonly add: <Part extends { readonly close: () => Promise<void> | void }>(part: Part) => Part
  /** Closes all of them, once, whatever becomes of one. Throws the first error in the end. */
  readonly close: () => Promise<void>
}

export const createScope = (log: Pick<Log, 'error'>): Scope => {
  const parts: { readonly close: () => Promise<void> | void }[] = []
  let closed: Promise<void> | undefined

  const closeAll = async (): Promise<void> => {
    const errors: unknown[] = []
    for (let part = parts.pop(); part; part = parts.pop()) {
      try {
        await part.close()
      } catch (error) {
        log.error({ err: error }, 'a part could not be stopped in order')
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  return {
    add: (part) => {
      parts.push(part)
      return part
    },
    close: () => {
      closed ??= closeAll()
      return closed
    },
  }
}
