import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { allowing, keyOf, ownerOf, seed, type TestOwner, type WallClock, wallClock } from '../../test/support/limits.ts'
import { LimitsOracle, type OracleCall, type OracleModel } from '../../test/support/limits-oracle.ts'
import { type Allowance, type KeyPrincipal, LIMITS } from '../kernel/index.ts'
import { createLimits, type Hold, type Limits } from './index.ts'

const START = '2026-11-30T23:58:30Z' // a minute and a half before a day and a month end
const SPANS_MS = [2_000, 30_000] as const

/** Small, so that each is met, or far away, so that it hides no other. Rates keep their spans: what a span has not seen it cannot count. */
const near = (min: number, max: number, far: number) => fc.oneof(fc.integer({ min, max }), fc.constant(far))
const seldom = (max: number) => fc.oneof({ weight: 1, arbitrary: fc.integer({ min: 0, max }) }, { weight: 4, arbitrary: fc.constant(null) })
const allowances: fc.Arbitrary<Allowance> = fc
  .record({
    counts: fc.tuple(near(1, 6, 1_000), near(3, 20, 1_000)),
    concurrency: near(1, 6, 0),
    tokensPerMinute: near(20, 400, 1_000_000),
    // Seldom: money is looked at first, and would hide what models limit.
    budgetDayMicro: seldom(300),
    budgetMonthMicro: seldom(600),
  })
  .map(({ counts, ...rest }) => allowing({ ...rest, rates: counts.map((count, at) => ({ count, perMs: SPANS_MS[at] ?? 0 })) }))

const amounts = { tokens: fc.integer({ min: 0, max: 60 }), costMicro: fc.integer({ min: 0, max: 60 }) }
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('enter' as const), which: fc.nat() }) },
  {
    weight: 7,
    arbitrary: fc.record({ do: fc.constant('reserve' as const), which: fc.nat(), model: fc.nat(1), priced: fc.boolean(), ...amounts }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat(), ...amounts }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('refuse' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end again' as const), which: fc.nat(), ...amounts }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('edit' as const), which: fc.nat(), limits: allowances }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('credit' as const), which: fc.nat(), micro: fc.integer({ min: -50, max: 200 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('bill' as const), which: fc.nat(), micro: fc.option(fc.integer({ min: 0, max: 300 })) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.oneof(fc.integer({ max: 3_000, min: 0 }), fc.constantFrom(29_999.5, 60_000, 86_400_000)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Running {
  readonly hold: Hold
  readonly call: OracleCall
}

/** Three keys of two users and two models: the real limits and the oracle, led side by side. */
class Scene {
  readonly clock: WallClock = wallClock(START)
  readonly limits: Limits = createLimits({ clock: this.clock })
  readonly oracle = new LimitsOracle(this.clock)
  readonly owners: TestOwner[] = [ownerOf('usr_ada'), ownerOf('usr_bob')]
  readonly models: OracleModel[] = [
    { name: 'fast', limits: allowing({}) },
    { name: 'slow', limits: allowing({}) },
  ]
  readonly keys: KeyPrincipal[]
  readonly open: Running[] = []
  readonly ended: Running[] = []
  /** Taken, and never to be heard of again. */
  readonly crashed: Running[] = []

  readonly #met: Set<string>

  constructor(start: readonly Allowance[], met: Set<string>) {
    this.#met = met
    const [ada = ownerOf('usr_ada'), bob = ownerOf('usr_bob')] = this.owners
    const of = (at: number): Allowance => start[at % start.length] ?? allowing({})
    this.keys = [keyOf('a1', of(0), ada), keyOf('a2', of(1), ada), keyOf('b1', of(2), bob)]
    ada.limits = of(3)
    bob.limits = of(4)
    this.models.forEach((model, at) => {
      model.limits = of(5 + at)
    })
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'enter':
        return this.#enter(pick(this.keys, step.which))
      case 'reserve':
        return this.#reserve(step)
      case 'settle':
        return this.#end(step.which, ({ hold, call }) => {
          hold.settle(step)
          this.oracle.settle(call, step.tokens, step.costMicro)
        })
      case 'refuse':
        return this.#end(step.which, ({ hold, call }) => {
          hold.refuse()
          call.state = 'refused'
        })
      case 'crash':
        if (this.open.length > 0) this.crashed.push(...this.open.splice(step.which % this.open.length, 1))
        return
      case 'end again':
        if (this.ended.length > 0) endAgain(pick(this.ended, step.which), step)
        return
      case 'edit':
        return this.#edit(step.which, step.limits)
      case 'credit':
      case 'bill':
        return this.#money(pick(this.owners, step.which).id, step)
      case 'wait':
        return this.clock.advance(step.ms)
      case 'sweep':
        vi.advanceTimersByTime(LIMITS.idleKeySweepMs)
    }
  }

  #enter(key: KeyPrincipal): void {
    const expected = this.oracle.mayEnter(key)
    let said = 'in'
    try {
      const hold = this.limits.enter(key)
      this.open.push({ hold, call: this.oracle.enter(key) })
    } catch (thrown) {
      said = refusalOf(thrown)
    }
    expect(said).toBe(expected)
    this.#met.add(kindOf(said))
  }

  async #reserve({ which, model: at, tokens, costMicro, priced }: Extract<Step, { do: 'reserve' }>): Promise<void> {
    if (this.open.length === 0) return
    const { hold, call } = pick(this.open, which)
    const model = pick(this.models, at)
    call.reservation = null
    const expected = this.oracle.mayReserve(call.key, model, tokens, Math.max(costMicro, priced ? 1 : 0))
    const asked = hold.reserve({ model: { ...model }, tokens, costMicro, priced })
    const said = await asked.then(() => 'in', refusalOf)
    expect(said).toBe(expected)
    this.#met.add(kindOf(said))
    if (said === 'in') call.reservation = { model: { ...model }, atMs: this.clock.monoMs(), tokens, costMicro }
  }

  #end(which: number, end: (running: Running) => void): void {
    if (this.open.length === 0) return
    const [running] = this.open.splice(which % this.open.length, 1)
    if (running === undefined) return
    end(running)
    this.ended.push(running)
  }

  #edit(which: number, limits: Allowance): void {
    const at = which % 7
    const key = this.keys[at]
    const [owner, model] = [this.owners[at - 3], this.models[at - 5]]
    if (key !== undefined) this.keys[at] = { ...key, limits }
    else if (owner !== undefined) owner.limits = limits
    else if (model !== undefined) model.limits = limits
  }

  #money(userId: string, { do: what, micro }: Extract<Step, { do: 'credit' | 'bill' }>): void {
    const before = this.oracle.balances.get(userId) ?? null
    if (what === 'bill') {
      this.limits.accounts.set(userId, micro)
      this.oracle.balances.set(userId, micro)
    } else if (micro !== null) {
      this.limits.accounts.add(userId, micro)
      if (before !== null) this.oracle.balances.set(userId, before + micro)
    }
  }

  /** Every counter there is, against the list of all calls. */
  agree(): void {
    for (const { id, owner } of this.keys) {
      expect(this.limits.spent.of('key', id)).toEqual(this.oracle.spent('key', id))
      expect(this.limits.spent.of('user', owner.id)).toEqual(this.oracle.spent('user', owner.id))
      expect(this.limits.accounts.of(owner.id)).toBe(this.oracle.balances.get(owner.id) ?? null)
    }
    for (const { name } of this.models) expect(this.limits.spent.of('model', name)).toEqual(this.oracle.spent('model', name))
    expect(this.limits.stats().inFlight).toBe(this.open.length + this.crashed.length)
    for (const { hold, call } of this.open) {
      const told = hold.told()
      expect([told.requests?.remaining, told.tokens?.remaining]).toEqual(this.#remaining(call))
    }
  }

  #remaining({ key: { id, limits, owner }, reservation }: OracleCall): [number, number] {
    const all: ['key' | 'user' | 'model', string, Allowance][] = [
      ['key', id, limits],
      ['user', owner.id, owner.limits],
    ]
    if (reservation !== null) all.push(['model', reservation.model.name, reservation.model.limits])
    const least = (what: 'remainingRequests' | 'remainingTokens') => Math.min(...all.map((each) => this.oracle[what](...each)))
    return [least('remainingRequests'), least('remainingTokens')]
  }
}

const pick = <T>(list: readonly T[], which: number): T => {
  const item = list[which % list.length]
  if (item === undefined) throw new Error('nothing to choose from')
  return item
}

function endAgain({ hold }: Running, used: { tokens: number; costMicro: number }): void {
  hold.settle(used)
  hold.refuse()
}

/** The code and whose limit it is. */
function refusalOf(thrown: unknown): string {
  if (!(thrown instanceof Error && 'code' in thrown && 'reason' in thrown)) throw thrown
  return `${thrown.code} ${String(thrown.reason).split(':')[0]}`
}

/** The same without the name. */
const kindOf = (said: string): string => said.split(' ').slice(0, 2).join(' ')

const EVERY_REFUSAL = [
  'BALANCE_EXHAUSTED user',
  ...['BUDGET_EXHAUSTED', 'CONCURRENCY_LIMITED', 'RATE_LIMITED', 'TOKENS_LIMITED'].flatMap((code) =>
    ['key', 'model', 'user'].map((kind) => `${code} ${kind}`),
  ),
  'in',
]

// Only the sweeper's: the rest of the test has to go on by itself.
beforeAll(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
afterAll(() => void vi.useRealTimers())

const RUNS = process.env.PORTCULLIS_LONG === '1' ? 5_000 : 500

describe('limits', () => {
  it(`say what a list of all calls says, in any order of entries, estimates, ends, crashes and edits (SEED=${seed})`, async () => {
    const met = new Set<string>()
    const property = fc.asyncProperty(
      fc.array(allowances, { minLength: 7, maxLength: 7 }),
      fc.array(step, { maxLength: 120, size: 'max' }),
      async (start, steps) => {
        const scene = new Scene(start, met)
        for (const next of steps) {
          await scene.take(next)
          scene.agree()
        }
        for (const { hold, call } of [...scene.open.splice(0), ...scene.crashed.splice(0)]) {
          hold.settle({ tokens: 1, costMicro: 1 })
          scene.oracle.settle(call, 1, 1)
        }
        scene.agree()
        for (const { owner } of scene.keys) expect(scene.limits.spent.of('user', owner.id).reservedMicro).toBe(0)
        scene.limits.close()
      },
    )
    await fc.assert(property, { seed, numRuns: RUNS })
    // A run that never met a limit would have shown nothing.
    expect([...met].sort()).toEqual(EVERY_REFUSAL)
    // A failure is made small before it is told, which takes its time.
  }, 300_000)
})
