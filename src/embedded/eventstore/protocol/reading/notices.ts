import { randomUUID } from 'node:crypto'
import { lengthDelimited, varintField } from '../../../../platform/protobuf.js'
import type { Watchers } from '../../storage/watchers.js'
import type { Call } from '../call.js'
import { framed } from '../framing.js'
import type { Checkpoint } from './checkpoints.js'

// What a read tells beside the events: fields of `ReadResp`.
const empty = new Uint8Array()
export const confirmation = (): Buffer => framed(lengthDelimited(2, lengthDelimited(1, Buffer.from(randomUUID()))))
export const checkpoint = ({ commit, prepare }: Checkpoint): Buffer =>
  framed(lengthDelimited(3, Buffer.concat([varintField(1, commit), varintField(2, prepare)])))
export const firstRevision = (revision: number): Buffer => framed(varintField(5, revision))
export const lastRevision = (revision: number): Buffer => framed(varintField(6, revision))
export const caughtUp = framed(lengthDelimited(8, empty))
export const fellBehind = framed(lengthDelimited(9, empty))

/** Waits for the next touch of a stream, or for the call's end; touches before the wait count too. */
export const createBell = (watchers: Watchers, name: string | undefined, call: Call): { readonly wait: () => Promise<void> } => {
  let rung = false
  let wake: (() => void) | undefined
  const ring = (): void => {
    rung = true
    wake?.()
  }
  const leave = watchers.watch(name, ring)
  call.onOver(() => {
    leave()
    ring()
  })
  return {
    wait: async () => {
      if (!rung) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        wake = undefined
      }
      rung = call.isOver()
    },
  }
}
