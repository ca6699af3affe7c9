import { z } from 'zod'
import { maxAmount } from '../../domain/cart.js'
import { isPlain, normaliseEmail } from '../../domain/email.js'
import { type AnyId, type Id, parseId } from '../../domain/ids.js'
import { centsOfDecimal, decimalOfCents, exactBelow } from '../../domain/money.js'
import { nameOf } from '../../domain/name.js'
import { maxPrice, maxStock } from '../../domain/product.js'
import { isCommon } from '../../platform/common-passwords.js'

/**
 * What requests may hold: the one source of validation and of the OpenAPI document. Each output is in the domain's words (ids, cents,
 * normalised e-mails); unknown fields are dropped.
 */

/** Text of so many characters; half a surrogate pair is none, and can't be stored. */
const text = (min: number, max: number, what = `a string of ${min} to ${max} characters`) =>
  z
    .string(`must be ${what}`)
    .refine((value) => !/\p{Cs}/u.test(value), 'must be well-formed Unicode')
    .refine((value) => within([...value].length, min, max), `must be ${what}`)
    .meta({ minLength: min, maxLength: max })

const within = (n: number, min: number, max: number): boolean => n >= min && n <= max

const integer = (min: number, max: number) => {
  const message = `must be an integer from ${min} to ${max}`
  return z.int(message).min(min, message).max(max, message)
}

const anId = 'must be an integer id or 24 hexadecimal digits'

/** Either spelling of an id. */
export const id = z
  .union([z.int(anId).min(1, anId), z.string(anId).regex(/^([1-9][0-9]{0,15}|[0-9A-Fa-f]{24})$/, anId)], anId)
  .transform((value, context): Id => {
    const parsed = parseId(value)
    if (parsed) return parsed
    context.addIssue(anId)
    return z.NEVER
  })
  .meta({ description: 'An id: an integer from 1 to 2^53−1, or 24 hexadecimal digits' })

const money = (max: number, what: string) =>
  z
    .number(`must be ${what}`)
    .transform((value, context) => {
      const cents = centsOfDecimal(value)
      if (cents !== undefined && value <= max) return cents
      context.addIssue(`must be ${what}`)
      return z.NEVER
    })
    .meta({ minimum: 0, maximum: max, multipleOf: 0.01, description: 'A decimal number with at most two places' })

const highestPrice = decimalOfCents(maxPrice)
const productPrice = money(highestPrice, `a number from 0 to ${highestPrice} with at most two decimal places`)
/** Several times what an order's items can sum up to. */
const total = money(exactBelow - 0.01, 'a number of at least 0 with at most two decimal places')

const email = text(3, 400, 'an e-mail address')
  .transform(normaliseEmail)
  .refine((value) => value.length <= 254 && /^[^\s\p{Cc}@]+@[^\s\p{Cc}@]+$/u.test(value), 'must be an e-mail address')
  .meta({ description: 'Compared trimmed, in Unicode NFC and lower case' })
/** One that somebody is to have. */
const newEmail = email.refine(isPlain, 'must have visible characters alone, in their usual spelling')
const password = text(8, 128)
  .refine((value) => !isCommon(value), 'must not be one of the 10000 most common passwords; choose another')
  .meta({ minLength: 8, maxLength: 128, description: 'None of the 10,000 most common ones' })
/** A password to compare: one that could not be set is as wrong as any other. */
const guess = z.string('must be a string').refine((value) => !/\p{Cs}/u.test(value), 'must be well-formed Unicode')
const name = text(1, 200)
  .transform((value, context): string => {
    const kept = nameOf(value)
    if (kept !== undefined) return kept
    context.addIssue('must have a visible character, and none that controls or turns text')
    return z.NEVER
  })
  .meta({ minLength: 1, maxLength: 200, description: 'Kept trimmed' })
const stock = integer(0, maxStock)
const amount = integer(1, maxAmount)

const status = z
  .string('must be a string of 1 to 40 characters')
  .transform((value) => value.trim())
  .pipe(text(1, 40))
  .refine((value) => nameOf(value) !== undefined, 'must have a visible character, and none that controls or turns text')
  .meta({ minLength: 1, maxLength: 40, description: 'Compared trimmed and without case' })

const items = z
  .array(z.object({ product_id: id, quantity: amount }), 'must be a list of 1 to 100 items')
  .min(1, 'must have 1 to 100 items')
  .max(100, 'must have 1 to 100 items')
  .transform((list) => list.map(({ product_id, quantity }) => ({ productId: product_id, quantity })))
  .refine(addsUp, `must not add up to more than ${maxAmount} of a product`)

function addsUp(list: readonly { productId: AnyId; quantity: number }[]): boolean {
  const sums = new Map<AnyId, number>()
  for (const { productId, quantity } of list) sums.set(productId, (sums.get(productId) ?? 0) + quantity)
  return [...sums.values()].every((sum) => sum <= maxAmount)
}

export const credentials = z.object({ email: newEmail, password })

export const newUser = z
  .object({ name, email: newEmail, password, confirm_password: z.string('must be a string') })
  .refine((user) => user.password === user.confirm_password, {
    path: ['confirm_password'],
    message: 'must be the same as password',
  })

export const login = z.object({ email, password: guess })

export const userEdit = z.object({
  _id: id.exactOptional(),
  name: name.exactOptional(),
  email: newEmail.exactOptional(),
  old_password: guess,
  new_password: password.exactOptional(),
})

export const newProduct = z.object({ name, stock, price: productPrice.exactOptional() })

export const productUpdate = z.object({
  _id: id,
  name: name.exactOptional(),
  stock: stock.exactOptional(),
  price: productPrice.exactOptional(),
})

export const newLine = z.object({ UserId: id.exactOptional(), ProductId: id, amount })

export const lineUpdate = z.object({ UserId: id.exactOptional(), amount })

export const checkout = z.object({ price: total.exactOptional(), status: status.exactOptional() })

export const newOrder = z.object({ customer_id: id, price: total, items, status })

export const orderUpdate = z.object({
  _id: id,
  customer_id: id.exactOptional(),
  price: total.exactOptional(),
  items: items.exactOptional(),
  status: status.exactOptional(),
})

/** Numbers of a query string. */
export const digits = (min: number, max: number) => {
  const message = `must be an integer from ${min} to ${max}`
  return z
    .string(message)
    .regex(/^\d{1,16}$/, message)
    .transform(Number)
    .refine((n) => within(n, min, max), message)
    .meta({ type: 'integer', minimum: min, maximum: max, description: `An integer from ${min} to ${max}` })
}

const limit = digits(1, 1_000)

export const page = z.object({ limit: limit.exactOptional(), after: id.exactOptional() })

export const orderFilter = z.object({
  customer_id: id.exactOptional(),
  status: status.exactOptional(),
  limit: limit.exactOptional(),
  after: id.exactOptional(),
})

/** A commit position, which a number can't hold: below 2^63. */
export const position = z
  .string('must be a position')
  .regex(/^\d{1,19}$/, 'must be a position')
  .transform(BigInt)
  .refine((value) => value < 2n ** 63n, 'must be a position')
  .meta({ description: 'A decimal number' })

export const recordsFrom = z.object({
  partition: digits(0, 999).exactOptional(),
  offset: digits(0, Number.MAX_SAFE_INTEGER).exactOptional(),
  after: position.exactOptional(),
  limit: limit.exactOptional(),
})
