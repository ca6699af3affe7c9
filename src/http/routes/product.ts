import { z } from 'zod'
import { Rejected } from '../../domain/decider.js'
import type { ProductId } from '../../domain/ids.js'
import { share } from '../../platform/single-flight.js'
import { asOfQuery, isNow, readThen } from '../api/as-of.js'
import { newProduct, page, productUpdate } from '../api/schemas.js'
import { productView, viewProduct } from '../api/views.js'
import { tagOf } from '../pipeline/etag.js'
import { nextPage, onePast, type Route, route, unlessParked } from '../pipeline/route.js'
import type { Http } from '../pipeline/services.js'

export const productRoutes = ({ commands, queries, history, remember }: Http): readonly Route[] => {
  /** Of many products it is much to render: once for all who ask for it at the same time, as the same bytes. */
  const renderAll = share(async () => {
    const { value, position } = await queries.products()
    const json = JSON.stringify(value.map(viewProduct))
    const text = Buffer.from(json)
    return { value: { text, tag: tagOf(json) }, position, dependsOn: { categories: ['product'] }, size: text.length }
  })

  const renderOne = async (productId: ProductId) => {
    const { position, ...read } = await queries.product(productId)
    const { value, revision, parked } = unlessParked(read)
    if (!value || value.retired) throw new Rejected('ProductNotFound')
    const text = JSON.stringify(viewProduct(value))
    const answer = { rendered: { text, tag: tagOf(text, revision) }, parked }
    return { value: answer, position, dependsOn: { streams: [`product-${productId}`] }, size: text.length }
  }

  return [
    route({
      method: 'GET',
      path: '/products',
      summary: 'All products, in the order of their ids; with limit, a page of them',
      who: 'anyone',
      dialect: 'plain',
      kind: 'read',
      query: page,
      answers: { status: 200, view: z.array(productView) },
      handle: async ({ query, path }) => {
        if (query.limit === undefined && query.after === undefined) return { rendered: await remember('products', renderAll) }
        const { value } = await queries.products(onePast(query))
        const products = value.slice(0, query.limit)
        const next = value.length > products.length && {
          headers: nextPage(path, { ...query, after: products.at(-1)?.productId }),
        }
        return { view: products.map(viewProduct), ...next }
      },
    }),

    route({
      method: 'GET',
      path: '/products/:id',
      summary: 'Read a product, as of a revision or a time if asked',
      who: 'anyone',
      dialect: 'envelope',
      kind: 'read',
      missing: 'ProductNotFound',
      query: asOfQuery,
      answers: { status: 200, view: productView, errors: [404] },
      handle: async ({ id, query }) => {
        if (isNow(query)) return remember(`product ${id}`, () => renderOne(id))
        const { value, revision, parked } = await readThen(query, (then) => history.asOf.product(id, then))
        if (!value || value.retired) throw new Rejected('ProductNotFound')
        return { view: viewProduct(value), revision, parked }
      },
    }),

    route({
      method: 'POST',
      path: '/products/new',
      summary: 'Add a product',
      who: ['staff'],
      dialect: 'envelope',
      kind: 'command',
      body: newProduct,
      answers: { status: 201, view: productView },
      handle: async ({ body, context }) => {
        const { value, revision, position } = await commands.products.add(context, body)
        return { view: viewProduct(value), revision, position }
      },
    }),

    route({
      method: 'PUT',
      path: '/products/update',
      summary: "Change a product's name, stock or price; what is left out stays",
      who: ['staff'],
      dialect: 'envelope',
      kind: 'command',
      body: productUpdate,
      answers: { status: 200, view: productView, errors: [404, 409, 412] },
      handle: async ({ body: { _id: productId, ...changes }, context }) => {
        const { value, revision, position } = await commands.products.update(context, { productId, ...changes })
        return { view: viewProduct(value), revision, position }
      },
    }),

    route({
      method: 'DELETE',
      path: '/products/:id',
      summary: 'Retire a product: it is listed no more, and orders keep it',
      who: ['staff'],
      dialect: 'envelope',
      kind: 'command',
      missing: 'ProductNotFound',
      answers: { status: 200, view: productView, errors: [404, 412] },
      handle: async ({ id, context }) => {
        const { value, revision, position } = await commands.products.retire(context, { productId: id })
        return { view: viewProduct(value), revision, position }
      },
    }),
  ]
}
