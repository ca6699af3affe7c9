/** What stands at a path, and its parameters by name, decoded. */
export type Found<Value> = { readonly value: Value; readonly parameters: { readonly [name: string]: string } }

type Pattern<Value> = { readonly segments: readonly string[]; readonly value: Value }

const none = {}

/**
 * Finds what stands at a request's path. `/orders/:id` takes any one segment for `id`; a path without parameters comes before one with,
 * so that `/orders/new` is no order's. To the letter: case and a slash at the end count.
 */
export const createPaths = <Value>(entries: Iterable<readonly [path: string, value: Value]>) => {
  const literals = new Map<string, Found<Value>>()
  const patterns: Pattern<Value>[] = []
  for (const [path, value] of entries) {
    if (path.includes(':')) patterns.push({ segments: path.split('/'), value })
    else literals.set(path, { value, parameters: none })
  }

  return (path: string): Found<Value> | undefined => {
    const literal = literals.get(path)
    if (literal) return literal
    const segments = path.split('/')
    for (const pattern of patterns) {
      const parameters = match(pattern.segments, segments)
      if (parameters) return { value: pattern.value, parameters }
    }
    return undefined
  }
}

const match = (pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined => {
  if (pattern.length !== segments.length) return undefined
  const parameters: Record<string, string> = {}
  for (const [i, expected] of pattern.entries()) {
    const segment = segments[i]!
    if (expected.startsWith(':') && segment !== '') parameters[expected.slice(1)] = decoded(segment)
    else if (expected !== segment) return undefined
  }
  return parameters
}

/** As it came, where it is not valid percent-encoded UTF-8: then it names nothing. */
const decoded = (segment: string): string => {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
