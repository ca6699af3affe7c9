import { BlockList, isIP, isIPv6 } from 'node:net'

/** Whether an address is one of ours: a proxy that is believed when it says for whom it asks. */
export type Trusts = (address: string) => boolean

/** An address, or a range such as 10.0.0.0/8. */
export const isAddressOrRange = (text: string): boolean => {
  const [address = '', bits, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

/** `ranges`: as `isAddressOrRange` has them. */
export const trustIn = (ranges: readonly string[]): Trusts => {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return (address) => isIP(address) !== 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/**
 * Who asks: the peer, or, where that is a proxy of ours, whom it names in X-Forwarded-For. Each proxy adds its peer at the end, so it is
 * read from there: what stands before the first one that is no proxy of ours, anybody may have written.
 */
export const clientOf = (trusts: Trusts, peer: string, forwarded: string | undefined): string => {
  let client = plain(peer)
  for (const named of (forwarded ?? '').split(',').reverse()) {
    const address = plain(named.trim())
    if (!trusts(client) || isIP(address) === 0) return client
    client = address
  }
  return client
}

/** An IPv4 address inside of IPv6 as what it is; without the name of the machine's own interface. */
export const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')

/** What is counted as one: who has an IPv6 address has all of its /64. */
export const networkOf = (address: string): string => {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('::')
  const [first, last] = [head, tail ?? ''].map((part) => part.split(':').filter((group) => group !== ''))
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - first!.length - last!.length)).fill('0')
  const groups = [...first!, ...zeros, ...last!].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${groups.join(':')}::/64`
}
