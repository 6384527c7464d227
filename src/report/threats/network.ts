import { isIP } from 'node:net'
import { networkOf } from '../../kernel/index.ts'

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
  if (isIP(bare) === 0) return { subject: address, network: address }
  const subject = networkOf(bare)
  const isV4 = isIP(subject) === 4 // a mapped one is, too
  return { subject, network: isV4 ? `${subject.slice(0, subject.lastIndexOf('.'))}.0/24` : networkOf(bare, 48) }
}
