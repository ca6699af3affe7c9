import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { asyncapi } from '../../src/bridge/asyncapi.js'

describe('AsyncAPI', () => {
  it('is in docs/ as it is served (tillroll bridge asyncapi > docs/asyncapi.json)', async () => {
    const file = new URL('../../docs/asyncapi.json', import.meta.url)
    expect(JSON.parse(await readFile(file, 'utf8'))).to.deep.equal(JSON.parse(JSON.stringify(asyncapi())))
  })

  it('has a message with headers and payload for each public record', () => {
    const { components, channels } = JSON.parse(JSON.stringify(asyncapi()))
    expect(Object.keys(components.messages)).to.deep.equal([
      'OrderPlaced',
      'OrderItemsChanged',
      'OrderRepriced',
      'OrderStatusChanged',
    ])
    expect(Object.keys(channels.orders.messages)).to.deep.equal(Object.keys(components.messages))
    const { headers, payload, name } = components.messages.OrderPlaced
    expect(name).to.equal('tillroll.OrderPlaced.v1')
    expect(headers.properties.ce_type.const).to.equal(name)
    expect(headers.required).to.include.members(['ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'ce_time', 'ce_subject'])
    expect(payload.required).to.deep.equal(['order', 'customer', 'items', 'price', 'status', 'at'])
    expect(JSON.stringify(payload)).not.to.match(/email|name|additionalProperties/)
  })
})
