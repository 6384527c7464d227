import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allowing, keyOf, ownerOf, seed, type WallClock, wallClock } from '../../test/support/limits.ts'
import type { KeyPrincipal } from '../kernel/index.ts'
import { createLimits, type Hold, type Limits } from './index.ts'

const amount = fc.integer({ min: 0, max: 100 })
const request = fc.record({
  estimated: amount,
  actual: amount,
  end: fc.constantFrom('settle', 'settle', 'settle', 'refuse', 'crash'),
  waitMs: fc.constantFrom(0, 0, 0, 1_000, 61_000, 5_000_000),
})
const callers = fc.array(fc.array(request, { minLength: 1, maxLength: 12, size: 'max' }), { minLength: 2, maxLength: 8, size: 'max' })
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never

const START_MICRO = 1_000
const MODEL = { name: 'fast', limits: allowing({ budgetDayMicro: 700, tokensPerMinute: 500 }) }

/** How far the settled requests went beyond their estimates, in all and on the day of each. */
class Overshoot {
  total = 0
  readonly #byDay = new Map<string, number>()

  add(day: string, { estimated, actual }: Request): void {
    const over = Math.max(0, actual - estimated)
    this.total += over
    this.#byDay.set(day, this.of(day) + over)
  }

  of(day: string): number {
    return this.#byDay.get(day) ?? 0
  }
}

/** Callers that share two keys of one user, and lose the event loop to each other before each thing they do. */
class Crowd {
  readonly clock: WallClock = wallClock('2026-12-31T20:00:00Z')
  readonly limits: Limits = createLimits({ clock: this.clock })
  readonly owner = ownerOf('usr_ada', { budgetDayMicro: 600, budgetMonthMicro: 900 })
  readonly keys = [keyOf('a', { budgetDayMicro: 300 }, this.owner), keyOf('b', { tokensPerMinute: 300 }, this.owner)] as const
  readonly overshoot = new Overshoot()
  readonly crashed: Hold[] = []
  charged = 0
  crashedMicro = 0
  refused = 0

  constructor() {
    this.limits.accounts.set(this.owner.id, START_MICRO)
  }

  async call(key: KeyPrincipal, request: Request, turn: () => Promise<void>): Promise<void> {
    this.clock.advance(request.waitMs)
    const hold = this.limits.enter(key)
    await turn()
    const before = this.#counters(hold)
    const asked = hold.reserve({ model: MODEL, tokens: request.estimated, costMicro: request.estimated, priced: true })
    // Whoever else comes does so after this line: what a refusal has left must be what was there.
    const after = this.#counters(hold)
    try {
      await asked
    } catch {
      expect(after).toEqual(before)
      hold.refuse()
      this.refused += 1
      return
    }
    await turn()
    this.#end(hold, request)
  }

  #end(hold: Hold, request: Request): void {
    if (request.end === 'crash') {
      this.crashed.push(hold)
      this.crashedMicro += request.estimated
    } else if (request.end === 'refuse') hold.refuse()
    else {
      this.overshoot.add(this.#day(), request)
      this.charged += request.actual
      hold.settle({ tokens: request.actual, costMicro: request.actual })
      hold.settle({ tokens: 7, costMicro: 7 })
    }
    this.holdsTrue()
  }

  holdsTrue(): void {
    const over = this.overshoot.of(this.#day())
    for (const key of this.keys) {
      const { budgetDayMicro } = key.limits
      if (budgetDayMicro !== null) expect(this.limits.spent.of('key', key.id).dayMicro).toBeLessThanOrEqual(budgetDayMicro + over)
    }
    const user = this.limits.spent.of('user', this.owner.id)
    expect(user.dayMicro).toBeLessThanOrEqual(600 + over)
    expect(user.monthMicro).toBeLessThanOrEqual(900 + this.overshoot.total)
    expect(this.limits.spent.of('model', MODEL.name).dayMicro).toBeLessThanOrEqual(700 + over)
    expect(this.limits.accounts.of(this.owner.id)).toBe(START_MICRO - this.charged)
    expect(this.charged).toBeLessThanOrEqual(START_MICRO + this.overshoot.total)
  }

  reserved(): number[] {
    const { spent } = this.limits
    return [spent.of('user', this.owner.id), spent.of('model', MODEL.name)].map(({ reservedMicro }) => reservedMicro)
  }

  #counters(hold: Hold): unknown {
    const { spent, accounts } = this.limits
    const money = [...this.keys.map(({ id }) => spent.of('key', id)), spent.of('user', this.owner.id), spent.of('model', MODEL.name)]
    return [money, accounts.of(this.owner.id), hold.told(), this.limits.stats().inFlight]
  }

  #day(): string {
    return new Date(this.clock.nowMs()).toISOString().slice(0, 10)
  }
}

const RUNS = process.env.PORTCULLIS_LONG === '1' ? 5_000 : 150

describe('callers at once', () => {
  it(`never spend more than a limit and what their estimates were short of (SEED=${seed})`, async () => {
    const met = { refused: 0, over: 0 }
    const property = fc.asyncProperty(callers, fc.scheduler(), async (all, scheduler) => {
      const crowd = new Crowd()
      const turn = (): Promise<void> => scheduler.schedule(Promise.resolve())
      const work = all.map(async (requests, at) => {
        for (const next of requests) {
          await turn()
          await crowd.call(at % 2 === 0 ? crowd.keys[0] : crowd.keys[1], next, turn)
        }
      })
      await scheduler.waitFor(Promise.all(work))
      expect(crowd.reserved()).toEqual([crowd.crashedMicro, crowd.crashedMicro])
      for (const hold of crowd.crashed) hold.settle({ tokens: 0, costMicro: 0 })
      expect(crowd.reserved()).toEqual([0, 0])
      expect(crowd.limits.stats().inFlight).toBe(0)
      crowd.limits.close()
      met.refused += crowd.refused
      met.over += crowd.overshoot.total
    })
    await fc.assert(property, { seed, numRuns: RUNS })
    expect(met.refused).toBeGreaterThan(0)
    expect(met.over).toBeGreaterThan(0)
  }, 300_000)
})
