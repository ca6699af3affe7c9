import { z } from 'zod'
import { Rejected } from '../../domain/decider.js'
import type { ProductId } from '../../domain/ids.js'
import type { CurrentRows } from '../../history/engine/list.js'
import type { Place } from '../../history/engine/range.js'
import { singleFlight } from '../../platform/single-flight.js'
import { asOfQuery, firstOf, headersOfThen, isNow, momentOf, momentQuery, oneMoment, readThen } from '../api/as-of.js'
import { askers, explained, explanationView } from '../api/explain.js'
import { newProduct, page, productUpdate } from '../api/schemas.js'
import { productView, viewProduct } from '../api/views.js'
import { tagOf } from '../pipeline/etag.js'
import { nextPage, onePast, type Route, route, unlessParked } from '../pipeline/route.js'
import type { Http } from '../pipeline/services.js'

const productFilter = page.extend(momentQuery).refine(...oneMoment)

export const productRoutes = (http: Http): readonly Route[] => {
  const { commands, queries, history, remember } = http

  /** Of many products it is much to render: once for all who ask for it at the same time, as the same bytes. */
  const renderAll = singleFlight(async () => {
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

  const listThen = async (moment: Place, { limit, after, asOf, position }: z.output<typeof productFilter>, path: string) => {
    const headers = await headersOfThen(http)
    const current: CurrentRows = (last = after && `product-${after}`, most) => queries.productRows(last, most)
    const found = await firstOf(
      history.asOf.products(moment, current),
      limit === undefined ? Number.POSITIVE_INFINITY : limit + 1,
    )
    const products = found.slice(0, limit)
    const next = found.length > products.length && nextPage(path, { limit, after: products.at(-1)?.productId, asOf, position })
    return { view: products.map(viewProduct), headers: { ...headers, ...next } }
  }

  return [
    route({
      method: 'GET',
      path: '/products',
      summary: 'All products, in the order of their ids; with limit, a page of them; as of a time or a position if asked',
      who: 'anyone',
      dialect: 'plain',
      kind: 'read',
      query: productFilter,
      answers: { status: 200, view: z.array(productView) },
      handle: async ({ query, path }) => {
        const moment = momentOf(query)
        if (moment) return listThen(moment, query, path)
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
      summary: 'Read a product, as of a revision, a time or a position if asked; or why it is as it is',
      who: 'anyone',
      askers,
      dialect: 'envelope',
      kind: 'read',
      missing: 'ProductNotFound',
      query: asOfQuery,
      answers: { status: 200, view: z.union([productView, explanationView]), errors: [401, 403, 404] },
      handle: async ({ id, query }) => {
        const { explain } = query
        if (explain) return explained(http, 'products', id, { ...query, explain })
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
