import { type TrustedNetworks, trustedNetworks } from '../http/index.ts'

/** Where a key may be used from. What compares addresses is made when the first one comes, for most keys of a store are asleep. */
export class Networks {
  readonly names: readonly string[]
  #matcher: TrustedNetworks | null = null

  constructor(names: readonly string[]) {
    this.names = names
  }

  has(address: string): boolean {
    this.#matcher ??= trustedNetworks(this.names)
    return this.#matcher.has(address)
  }
}
