import { describe, expect, it } from 'vitest'
import { LIMITS, MICRO_MAX, NO_LIMITS } from '../kernel/index.ts'
import { billOf, expectedOf } from './bill.ts'
import type { Demand, Ended, Visit } from './visit.ts'

const PRICE = { unit: 'token', inMicro: 1_000_000, outMicro: 2_000_000 } as const
const DEMAND: Demand = {
  model: { name: 'm', limits: NO_LIMITS },
  price: PRICE,
  least: { tokens_in: 10 },
  most: { tokens_in: 10, tokens_out: 100 },
}
const visitWith = (demand: Demand | null) => ({ demand, price: demand?.price ?? PRICE }) as Visit // the fields that a bill looks at
const end = (over: Partial<Ended> = {}): Ended => ({ ended: 'complete', status: 200, bytesOut: 5, firstByteMs: 3, served: true, ...over })

describe('the bill of a request', () => {
  it.each([
    [
      'what its backend counted',
      { units: { tokens_in: 7, tokens_out: 5 } },
      { units: { tokens_in: 7, tokens_out: 5 }, estimated: undefined, costMicro: 17, tokens: 12 },
    ],
    [
      'what passed, where the caller left',
      { ended: 'client_closed', units: { tokens_out: 4 }, estimated: true },
      { units: { tokens_in: 10, tokens_out: 4 }, estimated: true, costMicro: 18, tokens: 14 },
    ],
    [
      'its prompt, where nothing was counted',
      { ended: 'upstream_died' },
      { units: { tokens_in: 10 }, estimated: true, costMicro: 10, tokens: 10 },
    ],
    [
      'nothing before a first byte',
      { ended: 'client_closed', status: 0, firstByteMs: undefined, served: false },
      { units: undefined, estimated: undefined, costMicro: 0, tokens: 0 },
    ],
    ['nothing for an error', { status: 502, served: false }, { units: undefined, estimated: undefined, costMicro: 0, tokens: 0 }],
  ] as const)('is %s', (_what, over, bill) => {
    expect(billOf(visitWith(DEMAND), end(over))).toEqual(bill)
  })

  it('believes no backend that tells absurd numbers', () => {
    const bill = billOf(visitWith(DEMAND), end({ units: { tokens_in: 1e300, tokens_out: -5 } }))
    expect(bill).toEqual({
      units: { tokens_in: LIMITS.requestTokensMax, tokens_out: 0 },
      estimated: undefined,
      costMicro: 1_000_000_000,
      tokens: LIMITS.requestTokensMax,
    })
    expect(
      Number.isSafeInteger(
        billOf(
          visitWith({ ...DEMAND, price: { unit: 'token', inMicro: MICRO_MAX, outMicro: 0 } }),
          end({ units: { tokens_in: 1e12, tokens_out: 0 } }),
        ).costMicro,
      ),
    ).toBe(true)
  })

  it('counts tokens without a demand, and asks no money for them', () => {
    expect(billOf(visitWith(null), end({ units: { tokens_in: 7 } }))).toEqual({
      units: { tokens_in: 7 },
      estimated: undefined,
      costMicro: 0,
      tokens: 7,
    })
  })

  it('is expected to be all that the request may use', () => {
    expect(expectedOf(DEMAND)).toMatchObject({ tokens: 110, costMicro: 210, priced: true })
  })
})
