/** The balances of the users who are billed, in memory; the store has them too, and is asked for them at start. */
export interface Accounts {
  /** Null takes the user off the bill. */
  set(userId: string, micro: number | null): void
  /** A credit; nothing happens to a user who is not billed. */
  add(userId: string, micro: number): void
  /** A cost without a hold, as of a request that a crash had left open. */
  charge(userId: string, micro: number): void
  /** Null for a user who is not billed. */
  of(userId: string): number | null
}

/** What is reserved of a balance stands with what the user has spent: who comes on the bill while requests of his run has it reserved already. */
export class AccountBook implements Accounts {
  readonly #byUser = new Map<string, number>()

  set(userId: string, micro: number | null): void {
    if (micro === null) this.#byUser.delete(userId)
    else this.#byUser.set(userId, micro)
  }

  add(userId: string, micro: number): void {
    const balance = this.#byUser.get(userId)
    if (balance !== undefined) this.#byUser.set(userId, balance + micro)
  }

  charge(userId: string, micro: number): void {
    this.add(userId, -micro)
  }

  of(userId: string): number | null {
    return this.#byUser.get(userId) ?? null
  }
}
