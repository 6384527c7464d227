import { readFileSync } from 'node:fs'
import { LIMITS, networkOf } from '../kernel/index.ts'

export interface ConnectionLimits {
  readonly perNetworkMax: () => number
  readonly totalMax: number
}

/** A tenth of all places is kept for trusted proxies. */
const TRUSTED_SHARE = 10

/** How many connections there are, in all and from each network. */
export class Connections {
  readonly #limits: ConnectionLimits
  readonly #byNetwork = new Map<string, number>()
  #total = 0

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  /** Why there is no place for one more; null when there is, and then it is taken until `leave`. Behind a proxy that is trusted stand many callers. */
  enter(address: string, trusted: boolean): string | null {
    // Whoever has many networks can fill all places; a trusted proxy must still come in, and with it everybody who stands behind.
    const totalMax = trusted ? this.#limits.totalMax : this.#limits.totalMax - Math.floor(this.#limits.totalMax / TRUSTED_SHARE)
    if (this.#total >= totalMax) return `more than ${totalMax} connections in all`
    if (!trusted) {
      const network = networkOf(address)
      const count = this.#byNetwork.get(network) ?? 0
      if (count >= this.#limits.perNetworkMax()) return `more than ${count} connections`
      this.#byNetwork.set(network, count + 1)
    }
    this.#total += 1
    return null
  }

  leave(address: string, trusted: boolean): void {
    this.#total -= 1
    if (trusted) return
    const network = networkOf(address)
    const left = (this.#byNetwork.get(network) ?? 1) - 1
    if (left === 0) this.#byNetwork.delete(network)
    else this.#byNetwork.set(network, left)
  }
}

/**
 * As many as we want, or half of the files this process may open, since each of them may need another towards a backend: without a descriptor the
 * gate can reach no backend, rotate no ledger and answer nobody.
 */
export function connectionsMax(): number {
  return Math.min(LIMITS.connectionsMax, Math.floor(openFilesMax() / 2))
}

/** Node has raised its soft limit to the hard one at its start. Only Linux tells; elsewhere the number we want has to do. */
function openFilesMax(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
