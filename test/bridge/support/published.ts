import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** The schemas that consumers are given, and not those that they were made from. */
const { components } = JSON.parse(readFileSync(new URL('../../../docs/asyncapi.json', import.meta.url), 'utf8')) as {
  components: { messages: { [type: string]: { name: string; headers: object; payload: object } } }
}

const published = new Map(
  Object.values(components.messages).map(({ name, headers, payload }) => [
    name,
    { headers: z.fromJSONSchema(headers as never), payload: z.fromJSONSchema(payload as never) },
  ]),
)

type Said = { readonly key: string; readonly headers: { readonly [name: string]: string }; readonly value: string }

/** What is wrong with a record, by docs/asyncapi.json; empty where nothing is. */
export const breaches = ({ key, headers, value }: Said): readonly string[] => {
  const schemas = published.get(headers.ce_type ?? '')
  if (!schemas) return [`${headers.ce_type} is not published`]
  const said = [schemas.headers.safeParse(headers), schemas.payload.safeParse(JSON.parse(value))]
  const wrong = said.flatMap(({ error }) => error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [])
  return key === headers.ce_subject && key === JSON.parse(value).order._id
    ? wrong
    : [...wrong, `the key ${key} is another order's`]
}
