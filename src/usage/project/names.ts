import { LIMITS } from '../../kernel/index.ts'

/** In place of the names that a key thought of after it had used as many as are counted. They stand in the request log all the same. */
export const OTHER_MODELS = '(others)'

const DAYS_MAX = 2

/** Which models each key has named on a day: on some faces a caller may name any, and each name is a row that stays for years. */
export class ModelNames {
  readonly #days = new Map<string, Map<string, Set<string>>>()

  knows(day: string): boolean {
    return this.#days.has(day)
  }

  /** What is in the store already. */
  learn(day: string, rows: readonly { readonly key_id: string; readonly model: string }[]): void {
    const keys = new Map<string, Set<string>>()
    for (const { key_id, model } of rows) namesOf(keys, key_id).add(model)
    this.#days.set(day, keys)
    for (const old of [...this.#days.keys()].sort().slice(0, -DAYS_MAX)) if (old !== day) this.#days.delete(old)
  }

  counted(day: string, key: string, model: string): string {
    const keys = this.#days.get(day)
    if (!keys || model === '') return model
    const names = namesOf(keys, key)
    if (names.has(model)) return model
    if (names.size >= LIMITS.usageModelsPerKeyAndDayMax) return OTHER_MODELS
    names.add(model)
    return model
  }
}

function namesOf(keys: Map<string, Set<string>>, key: string): Set<string> {
  const known = keys.get(key)
  if (known) return known
  const made = new Set<string>()
  keys.set(key, made)
  return made
}
