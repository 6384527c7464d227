import { GatewayError } from '../../kernel/index.ts'

/** Options of a form and of its query under their proper names, and how the caller spelled each: faults are told in his words. */
export class Options {
  readonly #said = new Map<string, { readonly spelled: string; readonly value: string }>()

  get size(): number {
    return this.#said.size
  }

  /** Sets an option, unless it was said before and differently. An empty one is none: HTML forms send all their fields. */
  add(spelled: string, name: string, value: string): GatewayError | null {
    const text = value.trim()
    if (text === '') return null
    const before = this.#said.get(name)?.value
    if (before !== undefined && before !== text) {
      const detail = `${spelled}: is said twice, and differently`
      return new GatewayError('BODY_INVALID', { detail, reason: detail })
    }
    this.#said.set(name, { spelled, value: text })
    return null
  }

  /** These and others, of which none may say another thing. */
  with(others: Options): Options {
    const all = new Options()
    for (const options of [this, others]) {
      for (const [name, { spelled, value }] of options.#said) {
        const conflict = all.add(spelled, name, value)
        if (conflict !== null) throw conflict
      }
    }
    return all
  }

  spellingOf(name: string): string {
    return this.#said.get(name)?.spelled ?? name
  }

  values(): Record<string, string> {
    return Object.fromEntries([...this.#said].map(([name, { value }]) => [name, value]))
  }
}
