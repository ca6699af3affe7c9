import { expect } from 'chai'
import { KeyReused } from '../../../../src/commands/engine/context.js'
import { createKeys } from '../../../../src/commands/engine/idempotency/key-registry.js'
import { context, keyOf } from '../../../support/shop.js'

const at = (revision: number) => async () => ({ revision })
const refusal = async (work: Promise<unknown>): Promise<unknown> => work.then(() => undefined).catch((error: unknown) => error)

describe('the keys that a process remembers', () => {
  const [key, other] = [keyOf('k'), keyOf('k', 'other')]
  const accepts = { type: 'OrderStatusChanged', streamId: 'order-6b03dbc100000000000fec01', metadata: key }

  it('let a command without a key pass', async () => {
    expect(await createKeys().guard(context(), at(3))).to.deep.equal({ revision: 3 })
  })

  it('refuse another request under a key that was accepted, here or elsewhere, before it does anything', async () => {
    for (const learn of [
      (keys: ReturnType<typeof createKeys>) => keys.accepted(key),
      ({ onEvents }: ReturnType<typeof createKeys>) => onEvents([accepts]),
    ]) {
      const keys = createKeys()
      learn(keys)
      let begun = false
      const work = async () => {
        begun = true
        return { revision: 0 }
      }
      expect(await refusal(keys.guard(context({ key: other }), work))).to.be.instanceOf(KeyReused)
      expect(begun).to.equal(false)
      expect(await keys.guard(context({ key }), work)).to.deep.equal({ revision: 0 })
    }
  })

  it('learn nothing from events that only ask, or that are of no shop’s stream', async () => {
    const keys = createKeys()
    keys.onEvents([
      { ...accepts, type: 'OrderRequested' },
      { ...accepts, type: 'OrderChangeRequested' },
      { ...accepts, streamId: 'cart-6b03dbc100000000000fec01', type: 'CheckoutStarted' },
      { ...accepts, streamId: 'elsewhere' },
      { ...accepts, metadata: {} },
      { type: 'ProductRenamed', streamId: 'product-1' },
    ])
    expect(await keys.guard(context({ key: other }), at(0))).to.deep.equal({ revision: 0 })
  })

  it('refuse another request while the first is under way, and forget one that was refused', async () => {
    const keys = createKeys()
    let refuse: (error: Error) => void = () => undefined
    const first = refusal(keys.guard(context({ key }), () => new Promise((_, reject) => (refuse = reject))))
    expect(await refusal(keys.guard(context({ key: other }), at(0)))).to.be.instanceOf(KeyReused)
    refuse(new Error('short'))
    expect(await first).to.be.instanceOf(Error)
    expect(await keys.guard(context({ key: other }), at(0))).to.deep.equal({ revision: 0 })
  })

  it('tell a repeat at which revision it changed nothing', async () => {
    const keys = createKeys()
    await keys.guard(context({ key }), at(7), 'changes')
    expect(await keys.guard(context({ key }), async ({ unchangedAt = -1 }) => ({ revision: unchangedAt }))).to.deep.equal({
      revision: 7,
    })
  })

  it('tell a repeated create nothing: whose stream it meets, its own keys say', async () => {
    const keys = createKeys()
    await keys.guard(context({ key }), at(7))
    expect(await keys.guard(context({ key }), async ({ unchangedAt = -1 }) => ({ revision: unchangedAt }))).to.deep.equal({
      revision: -1,
    })
  })

  it('are the newest so many', async () => {
    const keys = createKeys(2)
    for (const name of ['k', 'l', 'm']) keys.accepted(keyOf(name))
    expect(await keys.guard(context({ key: other }), at(0))).to.deep.equal({ revision: 0 })
    expect(await refusal(keys.guard(context({ key: keyOf('m', 'other') }), at(0)))).to.be.instanceOf(KeyReused)
  })
})
