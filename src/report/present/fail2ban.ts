import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { Report } from '../document.ts'
import type { Threat, ThreatKind } from '../threats/threat.ts'

/** Threats that are an address's own doing. A key from many networks or a forgotten script is answered at the key, not at the firewall. */
const BLOCKABLE: ReadonlySet<ThreatKind> = new Set(['brute_force', 'key_spraying', 'probing', 'path_tricks'])

const PRIVATE: ReadonlySet<string> = new Set(['private', 'uniqueLocal', 'linkLocal', 'carrierGradeNat'])

/**
 * Addresses to block, one a line, for fail2ban to match. Left out: low severities, loopback (it would cut off the front), and addresses from which more
 * is let in than was turned away (an office would be locked out for one of its guests). Private ones are in, and say so.
 */
export function toFail2ban({ threats }: Report): string {
  const worst = new Map<string, Threat>()
  for (const threat of threats) {
    if (!BLOCKABLE.has(threat.kind) || threat.severity === 'low' || isShared(threat)) continue
    // Threats come with the worst first, so the first to name an address gives its reason.
    for (const address of threat.addresses) if (isBlockable(address) && !worst.has(address)) worst.set(address, threat)
  }
  return [...worst].map(([address, threat]) => `${lineFor(address, threat)}\n`).join('')
}

/** One or two good requests before or after prove nothing; a whole office does. */
const isShared = ({ let_in: letIn, count }: Threat): boolean => letIn > count

const isBlockable = (address: string): boolean => isIP(address) !== 0 && !['loopback', 'unspecified'].includes(rangeOf(address))

const rangeOf = (address: string): string => ipaddr.process(address.replace(/%.*$/, '')).range()

function lineFor(address: string, { kind, severity, count, last }: Threat): string {
  const scope = PRIVATE.has(rangeOf(address)) ? 'private' : 'public'
  // With its Z: fail2ban takes a time without a zone for local.
  const time = `${last.slice(0, 19)}Z`
  return `${time} portcullis: block ${address} scope=${scope} reason=${kind} severity=${severity} count=${count}`
}
