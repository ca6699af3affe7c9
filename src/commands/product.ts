import type { ProductId } from '../domain/ids.js'
import type { Cents } from '../domain/money.js'
import { type Product, product } from '../domain/product.js'
import type { ProductView } from '../domain/views.js'
import type { CommandContext, Done } from './engine/context.js'
import { createUnderKey } from './engine/create.js'
import type { Policies } from './engine/idempotency/key-registry.js'
import type { StreamState } from './engine/stream-state.js'
import type { Clock, Streams } from './engine/streams.js'

export type ProductCommands = {
  readonly add: (context: CommandContext, input: { name: string; stock: number; price?: Cents }) => Promise<Done<ProductView>>
  /** What is left out stays; an unchanged value is no event. Throws `Rejected` ProductNotFound, StockTooLarge. */
  readonly update: (
    context: CommandContext,
    input: { productId: ProductId; name?: string; stock?: number; price?: Cents },
  ) => Promise<Done<ProductView>>
  /** Throws `Rejected` ProductNotFound. */
  readonly retire: (context: CommandContext, input: { productId: ProductId }) => Promise<Done<ProductView>>
}

type Deps = { readonly streams: Streams; readonly clock: Clock }

/** What an Idempotency-Key means to each of them. */
export const productPolicies: Policies<ProductCommands> = { add: 'creates', update: 'changes', retire: 'changes' }

export const createProductCommands = (deps: Deps): ProductCommands => {
  const { streams } = deps
  return {
    add: (context, input) =>
      createUnderKey(deps, product, context, {
        create: async (productId, before) => {
          const command = { type: 'AddProduct' as const, productId, ...input }
          return done(productId, await streams.decide(product, productId, before, command, context, context.key))
        },
        repeat: async (productId, _, accepted) => done(productId, await streams.loadAsOf(product, productId, accepted, context)),
      }),
    update: async (context, input) =>
      done(input.productId, await streams.execute(product, input.productId, { type: 'UpdateProduct', ...input }, context)),
    retire: async (context, input) =>
      done(input.productId, await streams.execute(product, input.productId, { type: 'RetireProduct', ...input }, context)),
  }
}

const done = (productId: ProductId, { state, revision, position }: StreamState<Product>): Done<ProductView> => ({
  value: { productId, name: state.name, stock: state.free, ...(state.price !== undefined && { price: state.price }) },
  revision,
  position,
})
