import { LIMITS } from '../../kernel/index.ts'
import type { Summary, UnfinishedRow } from '../document.ts'
import { iso } from '../iso.ts'
import type { Intent } from '../read/told.ts'
import type { Place } from '../sighting.ts'

interface Open extends Intent {
  readonly atMs: number
  readonly place: Place
}

/** Requests that were let through and have no outcome: still running, or cut off with the gateway. */
export class Unfinished {
  readonly #open = new Map<string, Open>()
  #forgotten = 0

  begin(intent: Intent, atMs: number, place: Place): void {
    if (this.#open.size >= LIMITS.reportOpenIntentsMax) {
      // The oldest is the first of the map.
      const [oldest] = this.#open.keys()
      if (oldest !== undefined) this.#open.delete(oldest)
      this.#forgotten += 1
    }
    this.#open.set(intent.request, { ...intent, atMs, place: { ...place } })
  }

  end(request: string): void {
    this.#open.delete(request)
  }

  result(fileName: (file: number) => string): Summary['unfinished'] {
    const shown = [...this.#open.values()].slice(-LIMITS.reportRowsShownMax)
    return {
      count: this.#open.size + this.#forgotten,
      exact: this.#forgotten === 0,
      shown: shown.map(
        ({ request, user, key, address, endpoint, atMs, place }): UnfinishedRow => ({
          request,
          time: iso(atMs),
          user,
          key,
          address,
          endpoint,
          file: fileName(place.file),
          line: place.line,
        }),
      ),
    }
  }
}
