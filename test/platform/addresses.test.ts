import { expect } from 'chai'
import { clientOf, isAddressOrRange, networkOf, trustIn } from '../../src/platform/addresses.js'

describe('addresses', () => {
  const trusts = trustIn(['10.0.0.0/8', '192.0.2.7', 'fd00::/8'])

  it('of a client are those of the peer, unless that is a proxy of ours', () => {
    expect(clientOf(trusts, '203.0.113.9', '198.51.100.1')).to.equal('203.0.113.9')
    expect(clientOf(trusts, '10.1.2.3', '198.51.100.1')).to.equal('198.51.100.1')
    expect(clientOf(trusts, '10.1.2.3', undefined)).to.equal('10.1.2.3')
    expect(clientOf(trusts, '::ffff:10.1.2.3', '198.51.100.1')).to.equal('198.51.100.1')
    expect(clientOf(trustIn([]), '10.1.2.3', '198.51.100.1')).to.equal('10.1.2.3')
  })

  it('are read from the end: what a client has put before them counts for nothing', () => {
    expect(clientOf(trusts, '10.1.2.3', '1.1.1.1, 198.51.100.1, 192.0.2.7')).to.equal('198.51.100.1')
    expect(clientOf(trusts, 'fd00::1', '1.1.1.1,2001:db8::1')).to.equal('2001:db8::1')
    expect(clientOf(trusts, '10.1.2.3', '198.51.100.1, nonsense')).to.equal('10.1.2.3')
    expect(clientOf(trusts, '10.1.2.3', '198.51.100.1, nonsense, 10.9.9.9')).to.equal('10.9.9.9')
    expect(clientOf(trusts, '10.1.2.3', '10.4.4.4')).to.equal('10.4.4.4')
  })

  it('of version 6 are counted by what one customer of a provider has', () => {
    expect(networkOf('2001:db8:0:7:1:2:3:4')).to.equal('2001:db8:0:7::/64')
    expect(networkOf('2001:db8::7')).to.equal(networkOf('2001:0db8:0000:0000:ffff::1'))
    expect(networkOf('::1')).to.equal('0:0:0:0::/64')
    expect(networkOf('198.51.100.1')).to.equal('198.51.100.1')
  })

  it('and ranges are told from what is none', () => {
    for (const text of ['10.0.0.0/8', '::1', 'fd00::/8', '192.0.2.7', '0.0.0.0/0'])
      expect(isAddressOrRange(text), text).to.equal(true)
    for (const text of ['', 'proxy', '10.0.0.0/33', '10.0.0/8', '10.0.0.0/8/8', '10.0.0.0/', '::1/129', '1.2.3.4/-1'])
      expect(isAddressOrRange(text), text).to.equal(false)
  })
})
