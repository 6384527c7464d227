import type { UserRecord } from './record.ts'

/** Every user of the store, in memory: by id, deleted ones too, because their keys name them; and those who are there by name. */
export class UserBook {
  readonly #byId = new Map<string, UserRecord>()
  readonly #byName = new Map<string, UserRecord>()
  /** In the order of their names, in which they are listed. */
  readonly #inOrder: UserRecord[] = []

  get size(): number {
    return this.#byName.size
  }

  fill(users: readonly UserRecord[]): void {
    this.clear()
    for (const user of users) {
      this.#byId.set(user.id, user)
      if (user.deletedMs !== null) continue
      this.#byName.set(user.name, user)
      this.#inOrder.push(user)
    }
    this.#inOrder.sort((one, other) => (one.name < other.name ? -1 : 1))
  }

  add(user: UserRecord): void {
    this.#byId.set(user.id, user)
    this.#enter(user)
  }

  /** Deleted ones too. */
  byId(id: string): UserRecord | undefined {
    return this.#byId.get(id)
  }

  named(name: string): UserRecord | undefined {
    return this.#byName.get(name)
  }

  rename(user: UserRecord, name: string): void {
    this.#leave(user)
    user.name = name
    this.#enter(user)
  }

  /** The name is free again; what names the user by id still finds one. */
  delete(user: UserRecord, deletedMs: number): void {
    this.#leave(user)
    user.deletedMs = deletedMs
  }

  at(place: number): UserRecord | undefined {
    return this.#inOrder[place]
  }

  /** How many users come before this name, or up to it. */
  upTo(name: string, including: boolean): number {
    let [from, to] = [0, this.#inOrder.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      const other = this.#inOrder[middle]?.name ?? ''
      if (other < name || (including && other === name)) from = middle + 1
      else to = middle
    }
    return from
  }

  clear(): void {
    this.#byId.clear()
    this.#byName.clear()
    this.#inOrder.length = 0
  }

  #enter(user: UserRecord): void {
    this.#byName.set(user.name, user)
    this.#inOrder.splice(this.upTo(user.name, false), 0, user)
  }

  #leave(user: UserRecord): void {
    this.#byName.delete(user.name)
    const place = this.upTo(user.name, false)
    if (this.#inOrder[place] === user) this.#inOrder.splice(place, 1)
  }
}
