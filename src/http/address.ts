import { BlockList, isIP, type Socket } from 'node:net'
import { GatewayError, own } from '../kernel/index.ts'

/** Networks whose forwarding headers are believed. */
export interface TrustedNetworks {
  readonly names: readonly string[]
  has(address: string): boolean
}

// RFC 1918, RFC 4193, link-local, RFC 6598 (the range that VPN helpers such as Tailscale hand out) and loopback.
const PRIVATE = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '100.64.0.0/10',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
]
// Cloudflare's published edge ranges; caddy/cloudflare.caddy names the same ones and a test holds the two together.
export const CLOUDFLARE_RANGES = [
  '173.245.48.0/20',
  '103.21.244.0/22',
  '103.22.200.0/22',
  '103.31.4.0/22',
  '141.101.64.0/18',
  '108.162.192.0/18',
  '190.93.240.0/20',
  '188.114.96.0/20',
  '197.234.240.0/22',
  '198.41.128.0/17',
  '162.158.0.0/15',
  '104.16.0.0/13',
  '104.24.0.0/14',
  '172.64.0.0/13',
  '131.0.72.0/22',
  '2400:cb00::/32',
  '2606:4700::/32',
  '2803:f800::/32',
  '2405:b500::/32',
  '2405:8100::/32',
  '2a06:98c0::/29',
  '2c0f:f248::/32',
] as const

const NAMED: Readonly<Record<string, readonly string[]>> = { private: PRIVATE, cloudflare: CLOUDFLARE_RANGES }

/** True for what `trustedNetworks` takes: a CIDR, a bare address, `private` or `cloudflare`. */
export function isNetworkName(text: string): boolean {
  if (Object.hasOwn(NAMED, text)) return true
  const [address = '', prefix, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  if (prefix === undefined) return true
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128)
}

export function trustedNetworks(names: readonly string[]): TrustedNetworks {
  const list = new BlockList()
  for (const cidr of names.flatMap((name) => own(NAMED, name) ?? [name])) {
    const [address = '', prefix] = cidr.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return { names, has: (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') }
}

const LOOPBACK = trustedNetworks(['127.0.0.0/8', '::1/128'])

/** What is known of a connection before a byte of it is read. */
export interface Peer {
  readonly address: string
  readonly loopback: boolean
  readonly trusted: boolean
  /** The management socket: its caller is the local user who owns the data directory. */
  readonly local: boolean
}

const LOCAL_PEER: Peer = { address: 'local', loopback: false, trusted: false, local: true }

export function peerOf(socket: Socket, trusted: TrustedNetworks): Peer {
  const raw = socket.remoteAddress
  if (raw === undefined) return { address: 'unknown', loopback: false, trusted: false, local: false }
  const address = plainAddress(raw)
  return { address, loopback: LOOPBACK.has(address), trusted: trusted.has(address), local: false }
}

/** The same connection under other rules: a reload may stop or begin to believe its other end. */
export const judgedAnew = (peer: Peer, trusted: TrustedNetworks): Peer =>
  peer.local || isIP(peer.address) === 0 ? peer : { ...peer, trusted: trusted.has(peer.address) }

export const localPeer = (): Peer => LOCAL_PEER

/** An IPv4 address in IPv6 clothes is the same host, and must not get a second set of limits. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address
}

/**
 * The right-most hop that is not ours: what stands further left was written by the caller, and anyone can write anything there.
 * Asked only when the peer itself is trusted.
 */
export function clientAddress(peer: Peer, forwardedFor: string, trusted: TrustedNetworks): string {
  const hops = forwardedFor.split(',')
  for (let i = hops.length - 1; i >= 0; i -= 1) {
    const hop = plainAddress((hops[i] ?? '').trim())
    if (isIP(hop) === 0)
      throw new GatewayError('BAD_REQUEST', {
        reason: `X-Forwarded-For holds "${hop}"`,
        detail: 'X-Forwarded-For is not a list of addresses',
      })
    if (!trusted.has(hop)) return hop
  }
  return peer.address
}
