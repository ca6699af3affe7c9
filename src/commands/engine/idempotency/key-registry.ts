import { cart } from '../../../domain/cart.js'
import type { Says } from '../../../domain/decider.js'
import { order } from '../../../domain/order.js'
import { product } from '../../../domain/product.js'
import { user } from '../../../domain/user.js'
import { type CommandContext, type CommandKey, KeyReused } from '../context.js'

/**
 * What this process knows about idempotency keys beside what the streams remember. A stream knows the commands that it accepted; that a
 * key was used for *another* stream, or for a command that changed nothing, no stream can tell. (docs/decisions/0005)
 */
export type Keys = {
  /**
   * Runs a command. Throws `KeyReused`, before anything is read, where its key is known, or under way, for another request.
   */
  readonly guard: <Result extends Answered>(
    context: CommandContext,
    command: (context: CommandContext) => Promise<Result>,
    policy?: Policy,
  ) => Promise<Result>
  /** Takes the key of an accepted command. */
  readonly accepted: (key: CommandKey) => void
  /** Takes the keys of what was accepted elsewhere, from the events of the whole shop. */
  readonly onEvents: (events: readonly Seen[]) => void
}

/**
 * What an idempotency key means to a command. `creates`: the key names the stream. `changes`: the request names it, and may change nothing
 * there; then a repeat is told so. `unguarded`: the command takes no key.
 */
export type Policy = 'creates' | 'changes' | 'unguarded'

/** What a key means to each command of a noun: a new one doesn't compile until it says so. */
export type Policies<Commands> = { readonly [Name in keyof Commands]: Policy }

type Answered = { readonly revision: number }

type Seen = { readonly type: string; readonly streamId: string; readonly metadata?: Partial<CommandKey> }

/** `unchangedAt`: the command changed nothing, and its stream stood at this revision. */
type Known = { readonly requestHash: string; readonly unchangedAt?: number }

/** Whether an event accepts its command, a decider tells by its type. */
const saysOf: ReadonlyMap<string, { readonly [type: string]: Says }> = new Map(
  [user, product, cart, order].map(({ category, says }) => [category, says]),
)

/** The commands of a noun, guarded as the table says: it names each of them. */
export const guarded = <Commands extends { readonly [Name in keyof Commands]: AnyCommand }>(
  keys: Pick<Keys, 'guard'>,
  commands: Commands,
  policies: Policies<Commands>,
): Commands => {
  // The table names each command, and nothing else; what a command takes and answers passes through unseen.
  const names = Object.keys(policies) as (keyof Commands)[]
  const entries = names.map((name): [keyof Commands, Guardable] => {
    const command = commands[name] as unknown as Guardable
    const policy = policies[name]
    return [
      name,
      policy === 'unguarded' ? command : (context, input) => keys.guard(context, (told) => command(told, input), policy),
    ]
  })
  return Object.fromEntries(entries) as unknown as Commands
}

type AnyCommand = (context: CommandContext, input: never) => Promise<unknown>
/** What is guarded answers with a revision; the guard needs to know nothing of its input. */
type Guardable = (context: CommandContext, input: unknown) => Promise<Answered>

/** `size`: keys that are remembered, the newest; 100,000 take some 25 MB. */
export const createKeys = (size = 100_000): Keys => {
  const known = new Map<string, Known>()
  const underWay = new Map<string, { readonly requestHash: string; readonly times: number }>()

  const remember = ({ commandId }: CommandKey, what: Known): void => {
    known.delete(commandId)
    known.set(commandId, what)
    if (known.size > size) known.delete(known.keys().next().value!)
  }

  const accepted: Keys['accepted'] = (key) => remember(key, { requestHash: key.requestHash })

  const enter = ({ commandId, requestHash }: CommandKey, times: 1 | -1): void => {
    const before = underWay.get(commandId)?.times ?? 0
    if (before + times === 0) underWay.delete(commandId)
    else underWay.set(commandId, { requestHash, times: before + times })
  }

  const guard: Keys['guard'] = async (context, command, policy = 'creates') => {
    const { key } = context
    if (!key || policy === 'unguarded') return command(context)
    const before = known.get(key.commandId)
    const other = before ?? underWay.get(key.commandId)
    if (other && other.requestHash !== key.requestHash) throw new KeyReused('the Idempotency-Key was used for another request')
    enter(key, 1)
    try {
      const done = await command(before?.unchangedAt === undefined ? context : { ...context, unchangedAt: before.unchangedAt })
      // Whatever was accepted by an event has said so by now.
      if (policy === 'changes' && !known.has(key.commandId))
        remember(key, { requestHash: key.requestHash, unchangedAt: done.revision })
      return done
    } finally {
      enter(key, -1)
    }
  }

  const onEvents: Keys['onEvents'] = (events) => {
    for (const { type, streamId, metadata } of events) {
      const { commandId, requestHash } = metadata ?? {}
      if (commandId === undefined || requestHash === undefined) continue
      const says = saysOf.get(streamId.slice(0, streamId.indexOf('-')))?.[type]
      if (says === 'accepted') accepted({ commandId, requestHash })
    }
  }

  return { guard, accepted, onEvents }
}
