import type { ProductId } from '../domain/ids.js'
import type { Cents } from '../domain/money.js'
import { type Product, type ProductCommand, product } from '../domain/product.js'
import { noStream, WrongRevision } from '../eventstore/store.js'
import { backOff, type CommandContext, type Done } from './engine/context.js'
import { type Clock, type Handle, repeatOf, timeAfter } from './engine/handle.js'
import { idOfKey, newId } from './engine/idempotency/command-key.js'
import { type Loaded, nothing } from './engine/stream-state.js'
import type { Streams } from './engine/streams.js'

export type ProductView = { readonly productId: ProductId; readonly name: string; readonly stock: number; readonly price?: Cents }

export type ProductCommands = {
  readonly add: (context: CommandContext, input: { name: string; stock: number; price?: Cents }) => Promise<Done<ProductView>>
  /** What is left out stays; an unchanged value is no event. */
  readonly update: (
    context: CommandContext,
    input: { productId: ProductId; name?: string; stock?: number; price?: Cents },
  ) => Promise<Done<ProductView>>
  readonly retire: (context: CommandContext, input: { productId: ProductId }) => Promise<Done<ProductView>>
}

export const createProductCommands = (streams: Streams, handle: Handle, clock: Clock): ProductCommands => {
  const ask = async (context: CommandContext, command: Unstamped<ProductCommand>) =>
    done(
      command.productId,
      await handle(
        product,
        command.productId,
        (state, at) => product.decide({ ...command, at } as ProductCommand, state),
        context,
      ),
    )

  const add: ProductCommands['add'] = async (context, input) => {
    for (let salt = 0, attempt = 0; ; attempt++) {
      const productId = context.key ? idOfKey(context.key, salt) : newId(clock())
      const before = context.key ? await streams.load(product, productId, context) : nothing(product.initial)
      const repeated = repeatOf(before, context)
      if (repeated !== undefined) return done(productId, await streams.loadAsOf(product, productId, repeated, context))
      if (before.revision === noStream) {
        const events = product.decide({ type: 'AddProduct', productId, ...input, at: timeAfter(before, clock) }, before.state)
        try {
          return done(productId, await streams.append(product, productId, before, events, context, context.key))
        } catch (error) {
          if (!(error instanceof WrongRevision)) throw error
        }
      } else salt++
      await backOff(attempt, context)
    }
  }

  return {
    add,
    update: (context, input) => ask(context, { type: 'UpdateProduct', ...input }),
    retire: (context, input) => ask(context, { type: 'RetireProduct', ...input }),
  }
}

type Unstamped<Command> = Command extends unknown ? Omit<Command, 'at'> : never

const done = (productId: ProductId, { state, revision, position }: Loaded<Product>): Done<ProductView> => ({
  value: { productId, name: state.name, stock: state.free, ...(state.price !== undefined && { price: state.price }) },
  revision,
  position,
})
