import { z } from 'zod'
import type { ProjectionDiff } from '../../history/diff.js'
import { type Place, placeAsJson } from '../../history/engine/range.js'
import { personal, place, word } from './history.js'

export const diffQuery = z.object({
  from: place,
  to: place.exactOptional(),
  projection: word.meta({ description: 'products, orders, carts or users; left out: all' }).exactOptional(),
  personal: personal.exactOptional(),
})

const placeView = z.union([z.object({ time: z.string() }), z.object({ position: z.string() })])

export const diffView = z.object({
  from: placeView,
  to: placeView,
  remarks: z.array(z.string()).meta({ description: 'Where a moment is before the beginning, or after now' }),
  projections: z.array(
    z.object({
      projection: z.string(),
      made: z.int(),
      changed: z.int(),
      gone: z.int(),
      requests: z.array(
        z.object({
          at: z.string(),
          position: z.string(),
          actor: z.string().nullable(),
          correlation: z.string().nullable(),
          command: z.string().nullable(),
          events: z.array(z.string()),
          rows: z.array(
            z.object({
              id: z.string(),
              change: z.enum(['made', 'changed', 'gone']),
              columns: z.array(z.object({ column: z.string(), before: z.unknown(), after: z.unknown() })),
            }),
          ),
        }),
      ),
      parked: z.array(z.object({ stream: z.string(), error: z.string() })),
    }),
  ),
})

type Diff = {
  readonly from: Place
  readonly to: Place
  readonly remarks: readonly string[]
  readonly projections: readonly ProjectionDiff[]
}

export const viewDiff = ({ from, to, remarks, projections }: Diff): z.output<typeof diffView> => ({
  from: placeAsJson(from)!,
  to: placeAsJson(to)!,
  remarks: [...remarks],
  projections: projections.map(({ requests, parked, ...counts }) => ({
    ...counts,
    requests: requests.map(({ position, actor = null, correlation = null, command = null, events, rows, at }) => ({
      at,
      position: `${position}`,
      actor,
      correlation,
      command,
      events: [...events],
      rows: rows.map(({ id, change, columns }) => ({
        id,
        change,
        columns: columns.map(({ column, before = null, after = null }) => ({ column, before, after })),
      })),
    })),
    parked: [...parked],
  })),
})
