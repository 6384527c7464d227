import { beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../test/support/clock.ts'
import { DEFAULT_TENANT, LIMITS, NO_LIMITS } from '../kernel/index.ts'
import { Balancer, type Standing } from './balancer.ts'
import type { Endpoint, Protocol } from './model.ts'

const endpoint = (name: string, over: Partial<Endpoint> = {}): Endpoint => ({
  name,
  ref: `builtin:${name}`,
  url: 'http://127.0.0.1:9',
  dialect: 'openai',
  deadlines: { firstByteMs: 1_000, idleMs: 1_000, totalMs: 1_000 },
  concurrency: 0,
  auth: null,
  abort: 'cancel',
  tenant: DEFAULT_TENANT,
  apiRoot: '/v1',
  speaks: new Set<Protocol>(['chat']),
  limits: NO_LIMITS,
  priority: 0,
  discover: false,
  cloudModels: false,
  remote: 'refuse',
  active: true,
  ...over,
})

const IDLE: Standing = { inFlight: 0, waiting: 0, up: true }
let clock: ManualClock
let standings: Map<Endpoint, Standing>
let balancer: Balancer
let passed: string[]
beforeEach(() => {
  clock = manualClock()
  standings = new Map()
  balancer = new Balancer({ clock, standing: (one) => standings.get(one) ?? IDLE })
  passed = []
})

const stands = (one: Endpoint, how: Partial<Standing>): void => void standings.set(one, { ...IDLE, ...how })
const choose = (endpoints: readonly Endpoint[], tried: readonly Endpoint[] = []) =>
  balancer.next(
    endpoints.map((one) => ({ endpoint: one, upstream: 'm' })),
    'chat',
    tried,
    ({ name }, why) => void passed.push(`${name}: ${why}`),
  )
/** Those that are chosen one after another, each tried in vain. */
function order(endpoints: readonly Endpoint[]): readonly string[] {
  const tried: Endpoint[] = []
  for (;;) {
    const { place } = choose(endpoints, tried)
    if (place === null) return tried.map(({ name }) => name)
    tried.push(place.endpoint)
  }
}
const fail = (one: Endpoint, times: number): void => {
  for (let n = 0; n < times; n += 1) {
    balancer.ended(one, { caller: 'ada', isUnreachable: true }, balancer.begun(one))
  }
}

describe('the endpoint that is asked', () => {
  it('is the one with the fewest requests, those that wait for it counted', () => {
    const [a, b, c] = [endpoint('a'), endpoint('b'), endpoint('c')]
    stands(a, { inFlight: 3 })
    stands(b, { inFlight: 1, waiting: 3 })
    stands(c, { inFlight: 2 })
    for (let turn = 0; turn < 4; turn += 1) expect(choose([a, b, c]).place?.endpoint.name).toBe('c')
    expect(order([a, b, c])).toEqual(['c', 'a', 'b'])
  })

  it('is, of two alike, the one that was asked longer ago', () => {
    const [a, b] = [endpoint('a'), endpoint('b')]
    const chosen = [0, 1, 2, 3].map(() => choose([a, b]).place?.endpoint.name)
    expect(chosen).toEqual(['a', 'b', 'a', 'b'])
  })

  it('is one with a place before one without, whatever else they do', () => {
    const [small, large] = [endpoint('small', { concurrency: 2 }), endpoint('large')]
    stands(large, { inFlight: 50 })
    stands(small, { inFlight: 1 })
    expect(choose([small, large]).place?.endpoint.name).toBe('small')
    stands(small, { inFlight: 2 })
    expect(order([small, large])).toEqual(['large', 'small'])
  })

  it('is of the first group by priority, however busy that is', () => {
    const [near, far] = [endpoint('near', { priority: 1, concurrency: 1 }), endpoint('far', { priority: 2 })]
    stands(near, { inFlight: 1, waiting: 40 })
    expect(order([far, near])).toEqual(['near', 'far'])
  })

  it('is one that health checks call down only when no other is left, of whatever priority', () => {
    const [down, spare] = [endpoint('down'), endpoint('spare', { priority: 900 })]
    stands(down, { up: false })
    stands(spare, { up: null, inFlight: 90 })
    expect(order([down, spare])).toEqual(['spare', 'down'])
    stands(down, { up: true })
    expect(order([down, spare])).toEqual(['down', 'spare'])
  })

  it('is told to have been taken in the place of one that is down, where that had its turn before', () => {
    const [down, alike, spare] = [endpoint('down', { priority: 1 }), endpoint('alike', { priority: 1 }), endpoint('spare', { priority: 2 })]
    stands(down, { up: false })
    choose([down, spare])
    expect(passed).toEqual(['down: down'])
    choose([alike, down])
    expect(passed).toEqual(['down: down', 'down: down'])
    stands(spare, { up: false })
    choose([alike, spare])
    choose([down, spare])
    choose([down])
    expect(passed).toHaveLength(2)
  })

  it('is never one that was tried before, or that does not speak so', () => {
    const [a, mute] = [endpoint('a'), endpoint('mute', { speaks: new Set<Protocol>(['speech']) })]
    expect(choose([mute, a]).place?.endpoint.name).toBe('a')
    expect(choose([mute, a], [a])).toEqual({ place: null, waitMs: 0 })
    expect(passed).toEqual([])
  })
})

describe('an endpoint that fails', () => {
  it('is passed over, and told with the reason, until one request may try it', () => {
    const [gone, good] = [endpoint('gone'), endpoint('good', { priority: 1 })]
    fail(gone, LIMITS.breakerFailures)
    expect(choose([gone, good]).place?.endpoint.name).toBe('good')
    expect([passed, balancer.stateOf(gone)]).toEqual([['gone: breaker open'], 'open'])
    clock.advance(LIMITS.breakerOpenMs)
    expect(choose([gone, good]).place?.endpoint.name).toBe('gone')
    balancer.begun(gone)
    expect(choose([gone, good]).place?.endpoint.name).toBe('good')
    balancer.ended(gone, 'served', true)
    expect([choose([gone, good]).place?.endpoint.name, balancer.stateOf(gone)]).toEqual(['gone', 'closed'])
  })

  it('is waited for no longer than for the first of all that were left alone', () => {
    const [one, two] = [endpoint('one'), endpoint('two')]
    fail(one, LIMITS.breakerFailures)
    clock.advance(1_000)
    fail(two, LIMITS.breakerFailures)
    expect(choose([two, one])).toEqual({ place: null, waitMs: LIMITS.breakerOpenMs - 1_000 })
  })

  it('is let be as it was for a request that says nothing, and free again when an answer begins', () => {
    const one = endpoint('one')
    fail(one, LIMITS.breakerFailures)
    clock.advance(LIMITS.breakerOpenMs)
    balancer.begun(one)
    balancer.ended(one, 'undecided', true)
    expect(balancer.stateOf(one)).toBe('half-open')
    balancer.begun(one)
    expect(choose([one]).place).toBe(null)
    balancer.answered(one)
    expect(choose([one]).place?.endpoint.name).toBe('one')
  })

  it('is another one once it was edited', () => {
    const one = endpoint('one')
    fail(one, LIMITS.breakerFailures)
    expect(balancer.stateOf({ ...one })).toBe('closed')
  })
})

describe('what people are told of an endpoint that was passed over', () => {
  it('is how often, when and why the last time', () => {
    const [one, other] = [endpoint('one'), endpoint('other')]
    expect(balancer.passedOver(one)).toBe(null)
    balancer.passOver(one, 'UPSTREAM_BUSY')
    clock.advance(60_000)
    balancer.passOver(one, 'breaker open')
    expect(balancer.passedOver(one)).toEqual({ why: 'breaker open', times: 2, lastMs: clock.nowMs() })
    choose([one, other])
    expect([balancer.passedOver(other), balancer.passedOver({ ...one })]).toEqual([null, null])
  })
})
