import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

const GROUP_BITS = 16

/**
 * Who is behind an address at least: an IPv6 one stands for its /64, since whoever has one address of it has them all; an IPv4 one, mapped or not,
 * for itself. What is no address stays as it is.
 */
export function networkOf(address: string, bits: 48 | 64 = 64): string {
  if (!address.includes(':') || isIP(address) !== 6) return address
  const parsed = ipaddr.process(address)
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString()
  const groups = parsed.parts.slice(0, bits / GROUP_BITS).map((part) => part.toString(16))
  return `${groups.join(':')}::/${bits}`
}
