import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { costOf, formatMicro, NO_PRICE, parseMicro } from './money.ts'

describe('money', () => {
  it.each([
    ['12.50', 12_500_000],
    ['0.000001', 1],
    ['-3', -3_000_000],
    ['-0', 0],
    ['1000000000', 1_000_000_000_000_000],
    ['0.0000001', null],
    ['1e3', null],
    ['', null],
    ['1000000001', null],
    ['1,5', null],
  ])('reads %s as %s', (text, micro) => {
    expect(parseMicro(text)).toBe(micro)
  })

  it('writes what it reads, to the millionth', () => {
    fc.assert(fc.property(fc.integer({ min: -1e15, max: 1e15 }), (micro) => parseMicro(formatMicro(micro)) === (micro === 0 ? 0 : micro)))
    expect([0, 1, 500_000, -1_250_000, 10_000].map(formatMicro)).toEqual(['0.00', '0.000001', '0.50', '-1.25', '0.01'])
  })

  it.each([
    ['a million tokens in', { unit: 'token', inMicro: 150_000, outMicro: 600_000 }, { tokens_in: 1_000_000 }, 150_000],
    ['one token, rounded up', { unit: 'token', inMicro: 150_000, outMicro: 600_000 }, { tokens_in: 1 }, 1],
    ['both ways, rounded once', { unit: 'token', inMicro: 150_000, outMicro: 600_000 }, { tokens_in: 1, tokens_out: 1 }, 1],
    ['ninety seconds', { unit: 'minute', inMicro: 6_000, outMicro: 0 }, { seconds: 90 }, 9_000],
    ['a part of a second', { unit: 'minute', inMicro: 60_000, outMicro: 0 }, { seconds: 0.5 }, 500],
    ['pictures', { unit: 'image', inMicro: 0, outMicro: 20_000 }, { images: 3 }, 60_000],
    ['characters', { unit: 'character', inMicro: 15_000_000, outMicro: 0 }, { characters: 1_000 }, 15_000],
    ['a request, whatever it used', { unit: 'request', inMicro: 1_000, outMicro: 0 }, {}, 1_000],
    ['what was not counted', { unit: 'token', inMicro: 1, outMicro: 1 }, {}, 0],
    ['a count that is none', { unit: 'token', inMicro: 1, outMicro: 1 }, { tokens_in: Number.NaN, tokens_out: -5 }, 0],
  ] as const)('charges %s', (_what, price, used, micro) => {
    expect(costOf(price, used)).toBe(micro)
  })

  it('is what whole numbers of any size say', () => {
    const count = fc.oneof(fc.nat(5_000), fc.nat(1_000_000_000), fc.double({ min: 0, max: 1e6, noNaN: true }))
    const micro = fc.oneof(fc.nat(5_000_000), fc.integer({ min: 0, max: 1e15 }))
    fc.assert(
      fc.property(count, count, micro, micro, (tokensIn, tokensOut, inMicro, outMicro) => {
        const total = [tokensIn, tokensOut].map((amount) => BigInt(Math.ceil(amount * 1_000)))
        const exact = ((total[0] ?? 0n) * BigInt(inMicro) + (total[1] ?? 0n) * BigInt(outMicro) + 999_999_999n) / 1_000_000_000n
        return costOf({ unit: 'token', inMicro, outMicro }, { tokens_in: tokensIn, tokens_out: tokensOut }) === Number(exact)
      }),
      { numRuns: 2_000 },
    )
  })

  it('is exact where doubles are not, and free without a price', () => {
    expect(costOf({ unit: 'token', inMicro: 999_999_999_999, outMicro: 0 }, { tokens_in: 9_000_000 })).toBe(8_999_999_999_991)
    expect(costOf(NO_PRICE, { tokens_in: 5 })).toBe(0)
  })
})
