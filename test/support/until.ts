interface UntilOptions {
  readonly withinMs: number
  /** What is awaited, for the message of a wait that fails. */
  readonly what: string
}

/** Waits for a state, never for a time: asks `look` until it gives something true, and fails after the bound. */
export async function until<T>(look: () => T | Promise<T>, { withinMs, what }: UntilOptions): Promise<NonNullable<T>> {
  const end = performance.now() + withinMs
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (performance.now() > end) throw new Error(`waited ${withinMs} ms in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
