import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { CommandContext } from '../../commands/engine/context.js'
import type { RejectionReason } from '../../domain/decider.js'
import type { Id, UserId } from '../../domain/ids.js'
import type { Caller, Who } from './auth.js'
import { type Dialect, type Says, unavailable } from './errors.js'

/**
 * One route as data: the router, the Allow header and the OpenAPI document are made of it, and nothing else says what it takes and answers.
 * What its handler is given follows from who may call it, and from what its path names.
 */
export type Route<
  Query = unknown,
  Body = unknown,
  Access extends Who = Who,
  Missing extends RejectionReason | undefined = RejectionReason | undefined,
> = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly summary: string
  readonly who: Access
  /** Who may ask this, where it is not for everybody who may call the route. */
  askers?(query: NoInfer<Query>): Who | undefined
  readonly dialect: Dialect
  /** A read waits for what its caller wrote and has an ETag; a command takes an Idempotency-Key and If-Match; the rest does neither. */
  readonly kind: 'read' | 'command' | 'other'
  readonly query?: z.ZodType<Query>
  readonly body?: z.ZodType<Body>
  /** The refusal that answers an `:id` that is no id: it names nothing. */
  readonly missing?: Missing
  /** Where this route answers a refusal in other words than all others. */
  readonly says?: Says
  readonly answers: Answers
  handle(call: Call<Query, Body, Access, Missing>): Promise<Answer>
}

export type Answers = {
  readonly status: number
  /** The schema of the object or list inside the dialect's dress; left out where the answer is no JSON. */
  readonly view?: z.ZodType
  /** Whether it can be had as Server-Sent Events too. */
  readonly events?: true
  /** Whether it can be had as lines of JSON too. */
  readonly lines?: true
  /** The media type of an answer that is no JSON. */
  readonly type?: string
  /** Other media types that it can be had as, by Accept. */
  readonly media?: readonly string[]
  /** The envelope's message, where it is not the usual `success`. */
  readonly message?: string
  /** `status` inside the envelope, where it differs from HTTP's: an update answers 200 and says 201. */
  readonly bodyStatus?: number
  /** Errors beyond those that every route of this kind has. */
  readonly errors?: readonly number[]
}

/** A request that was let in and is well-formed. */
export type Call<
  Query = unknown,
  Body = unknown,
  Access extends Who = Who,
  Missing extends RejectionReason | undefined = RejectionReason | undefined,
> = {
  /** Nobody on a route for anyone. */
  readonly caller: Access extends 'anyone' ? undefined : Caller
  /** That of the path's `:id`, where `missing` says what answers one that is none. */
  readonly id: Missing extends RejectionReason ? Id : undefined
  /** What the path has in the place of its parameter. */
  readonly named: string
  readonly query: Query
  readonly body: Body
  readonly address: string
  readonly path: string
  /** A header of the request; empty where there is none. */
  readonly header: (name: string) => string
  /** Which of the media types the client would rather have, by its Accept; the first where it doesn't care, `false` where it wants none. */
  readonly prefers: (...types: string[]) => string | false
  readonly context: CommandContext
  /** Aborts when the answer is done with, or the client has gone before: what works on it can stop. */
  readonly gone: () => AbortSignal
}

/** The ways to answer, of which an answer has one. */
type Contents = {
  /** Is written as JSON, in the dialect's dress. */
  readonly view: unknown
  /** Of the route's media type. */
  readonly text: string
  /** The text and tag of a view, rendered once for many. */
  readonly rendered: Rendered
  /** Server-Sent Events, for as long as the client stays. */
  readonly events: Readable
  /** Lines of JSON, to the end or for as long as the client stays. */
  readonly lines: Readable
  /** Bytes of a media type, as they come. */
  readonly bytes: { readonly type: string; readonly flow: Readable }
}

type Only<Way extends keyof Contents> = Pick<Contents, Way> & { readonly [Other in Exclude<keyof Contents, Way>]?: undefined }

export type Answer = { [Way in keyof Contents]: Only<Way> }[keyof Contents] & {
  /** Why the object is not brought up to date any more. */
  readonly parked?: string | undefined
  /** Where it differs from the route's. */
  readonly status?: number
  /** That of the object's stream; a list has none. */
  readonly revision?: number | undefined
  /** What the ETag is made of, where the view holds more than the object. */
  readonly object?: unknown
  /** A command's: the highest commit position that the answer rests on. */
  readonly position?: bigint
  /** Whose reads wait for that position, where it isn't the caller. */
  readonly writer?: UserId
  readonly headers?: { readonly [name: string]: string }
}

/** `text`: JSON, or of the route's media type; what is sent without an envelope is bytes already. */
export type Rendered = { readonly text: string | Buffer; readonly tag: string }

/** Ties the types of a route's parts together. */
export const route = <
  const Access extends Who,
  Missing extends RejectionReason | undefined = undefined,
  Query = unknown,
  Body = unknown,
>(
  spec: Route<Query, Body, Access, Missing>,
): Route => spec

/** One more than a page, to see whether there is another. */
export const onePast = <Page extends { readonly limit?: number }>(page: Page): Page =>
  page.limit === undefined ? page : { ...page, limit: page.limit + 1 }

type Read = { readonly value: unknown; readonly revision?: number; readonly parked?: string }

/** An object that can't be brought up to date is answered as it stood; where there is none of it, throws `Refusal` 503 with the reason. */
export const unlessParked = <Result extends Read>(read: Result): Result => {
  if (read.value === undefined && read.parked !== undefined) throw unavailable(`it can not be read at the moment: ${read.parked}`)
  return read
}

/** The Link header of a page that is not the last (RFC 8288): the same request, going on after this one. */
export const nextPage = (path: string, parameters: { readonly [name: string]: string | number | bigint | undefined }) => {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value))
  return { Link: `<${path}?${query}>; rel="next"` }
}
