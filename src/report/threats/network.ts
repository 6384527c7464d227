import ipaddr from 'ipaddr.js'

/** What stands for an address when its behaviour is judged, and the network it belongs to. */
export interface Origin {
  /** Who is behind it at least: an IPv4 address, or an IPv6 /64, since whoever has one address of it has all. */
  readonly subject: string
  /** The /24 or the /48: what one provider's customer or one site usually has. */
  readonly network: string
}

const CACHE_MAX = 20_000
let cache = new Map<string, Origin>()

/** The origin of an address as a log names it; the ledger's summaries name an IPv6 /64 themselves. */
export function originOf(address: string): Origin {
  const known = cache.get(address)
  if (known !== undefined) return known
  if (cache.size >= CACHE_MAX) cache = new Map()
  const origin = parse(address)
  cache.set(address, origin)
  return origin
}

function parse(address: string): Origin {
  const [bare = ''] = address.split(/[/%]/)
  if (!ipaddr.isValid(bare)) return { subject: address, network: address }
  const parsed = ipaddr.process(bare)
  if (parsed instanceof ipaddr.IPv6) return { subject: `${prefix(parsed, 4)}::/64`, network: `${prefix(parsed, 3)}::/48` }
  return { subject: parsed.toString(), network: `${parsed.octets.slice(0, 3).join('.')}.0/24` }
}

const prefix = (address: ipaddr.IPv6, groups: number): string =>
  address.parts
    .slice(0, groups)
    .map((part) => part.toString(16))
    .join(':')
