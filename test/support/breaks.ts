import { expect } from 'vitest'
import type { Answer } from './caller.ts'
import type { ChaosCut, ChaosProxy } from './chaos-proxy.ts'
import type { SeenRequest } from './hostile.ts'
import { until } from './until.ts'

/** A gate that asks by way of a proxy which breaks connections, and whatever stands behind it. */
export interface Breakable {
  readonly proxy: ChaosProxy
  ask(): Promise<Answer>
  /** What has come to any backend since `forget`. */
  asked(): readonly SeenRequest[]
  forget(): void
  /** Waits until the gate has nothing to do. */
  quiet(): Promise<unknown>
  /** Ends the connections that are kept, so that the next request opens one. */
  dropKept(): void
  /** The least that comes down a connection on which a request was answered; a health check is shorter. */
  readonly answerBytesMin: number
}

export interface BreakTally {
  asked: number
  reached: number
  readonly duplicates: string[]
  /** Told to come again, though a backend had the whole request. */
  readonly invited: string[]
}

/** Asks again and again while connections break, and counts what came of each request: the gate's id tells one generation from another. */
export class Breaks {
  readonly tally: BreakTally = { asked: 0, reached: 0, duplicates: [], invited: [] }
  readonly #scene: Breakable
  readonly #brokenBefore: number

  constructor(scene: Breakable) {
    this.#scene = scene
    this.#brokenBefore = this.#broken()
  }

  /** How many connections have broken. */
  get count(): number {
    return this.#broken() - this.#brokenBefore
  }

  #broken(): number {
    return this.#scene.proxy.connections.filter(({ cut }) => cut).length
  }

  /** Asks once and looks at what came to the backends. */
  async askAndCount(what: string): Promise<void> {
    const { tally } = this
    this.#scene.forget()
    const { status, headers } = await this.#scene.ask()
    await this.#scene.quiet()
    tally.asked += 1
    const asked = this.#scene.asked()
    const ids = asked.map((seen) => seen.header('x-request-id') ?? '')
    if (ids.length > 0) tally.reached += 1
    if (ids.length > 1) tally.duplicates.push(`${what}: ${ids.join()}`)
    const whole = asked.some(({ sha256 }) => sha256 !== null)
    if (whole && (status === 503 || headers['retry-after'] !== undefined)) tally.invited.push(`${what}: ${status}`)
    if (status === 502 || status === 504) expect(headers['x-should-retry'], what).toBe('false')
  }

  /**
   * Asks until a connection has broken there. All that are opened meanwhile would, because one that was just used rests while the next request takes
   * another; those that did not come so far break under a later request.
   */
  async askUntilBroken(cut: ChaosCut): Promise<void> {
    const { proxy, dropKept } = this.#scene
    const what = `${cut.direction} ${cut.how} at ${cut.atByte}`
    const first = proxy.connections.length
    proxy.use(() => cut)
    for (let tries = 0; !proxy.connections.slice(first).some((connection) => connection.cut); tries += 1) {
      expect(tries, `${what} was reached`).toBeLessThan(100)
      const opened = proxy.connections.length
      await this.askAndCount(what)
      if (opened === first && proxy.connections.length === first) dropKept() // one from before was free
    }
  }

  /** The bytes of one exchange, in both directions. */
  async measure(): Promise<{ readonly up: number; readonly down: number }> {
    const { proxy, ask, answerBytesMin } = this.#scene
    proxy.use(() => null)
    const before = proxy.connections.length
    const used = () => proxy.connections.slice(before).find(({ down }) => down > answerBytesMin)
    const { up, down } = await until(async () => ((await ask()).complete ? used() : null), {
      withinMs: 5_000,
      what: 'an exchange on a new connection',
    })
    return { up, down }
  }
}
