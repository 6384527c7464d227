import { isIPv6 } from 'node:net'

/** Whose refusals are counted together: an IPv4 address, or an IPv6 /64, since that is the least that one caller is given. */
export function networkOf(address: string): string {
  if (!address.includes(':') || !isIPv6(address)) return address
  if (/^::ffff:[\d.]+$/i.test(address)) return address.slice(7)
  const [left = '', right] = (address.split('%')[0] ?? '').split('::')
  const head = left === '' ? [] : left.split(':')
  const tail = right === undefined || right === '' ? [] : right.split(':')
  // An embedded IPv4 tail stands for two groups.
  const groups = head.length + tail.length + (address.includes('.') ? 1 : 0)
  const gap = right === undefined ? [] : Array.from({ length: 8 - groups }, () => '0')
  const four = [...head, ...gap, ...tail].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${four.join(':')}::/64`
}
