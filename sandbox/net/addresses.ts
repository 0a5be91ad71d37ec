/**
 * Which addresses a name may lead to. A name is a stranger's word: it can lead into the machine itself, the network
 * around it, or the cloud's own service for secrets at 169.254.169.254.
 */
import { BlockList, isIP, isIPv4 } from 'node:net'

/** IANA's special-purpose addresses, which no public host has, and multicast. */
const SPECIAL_4 =
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 ' +
  '192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 ' +
  '203.0.113.0/24 224.0.0.0/4 240.0.0.0/4'
/** Of those that are routed at all, 2000::/3: protocol assignments with Teredo, documentation, 6to4. */
const SPECIAL_6 = '2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20'
const ROUTED_6 = '2000::/3'

const special = blockList([...SPECIAL_4.split(' '), ...SPECIAL_6.split(' ')])
const routed = blockList([ROUTED_6])

/**
 * @param beyond - What may be reached beside the public internet: addresses and ranges, '127.0.0.1' or '10.0.0.0/8'.
 * @returns Whether a name may lead to this address.
 * @throws TypeError for a range that is none.
 */
export function permittedAddresses(beyond: readonly string[]): (address: string) => boolean {
  const granted = blockList(beyond)
  return address => {
    // A zone names an interface of this machine.
    if (isIP(address) === 0 || address.includes('%')) return false
    const bare = embeddedIPv4(address) ?? address
    return check(granted, bare) || isPublic(bare)
  }
}

function isPublic(address: string): boolean {
  return (isIPv4(address) || check(routed, address)) && !check(special, address)
}

const check = (list: BlockList, address: string): boolean =>
  list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')

/** The IPv4 address that an IPv6 one stands for: mapped (::ffff:0:0/96), or through a translator (64:ff9b::/96). */
function embeddedIPv4(address: string): string | undefined {
  if (isIPv4(address)) return undefined
  const { hostname } = new URL(`http://[${address}]`)
  const [, high, low] = /^\[(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? []
  if (high === undefined) return undefined
  const bits = parseInt(high, 16) * 0x10000 + parseInt(low!, 16)
  return [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255].join('.')
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address, bits, ...rest] = range.split('/')
    const version = isIP(address!)
    const most = version === 4 ? 32 : 128
    const length = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : NaN
    if (version === 0 || rest.length > 0 || !(length <= most))
      throw new TypeError(`Cannot grant the addresses "${range}": it is no range of addresses`)
    list.addSubnet(address!, length, version === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}
