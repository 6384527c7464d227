import { describe, expect, it } from 'vitest'
import { bar, sparkline, table } from './table.ts'
import { bytes, duration, percent, span } from './words.ts'

describe('numbers in words', () => {
  it.each([
    [0, 0, '0 %'],
    [1, 100_000, '< 0.1 %'],
    [99_999, 100_000, '> 99.9 %'],
    [1, 3, '33.3 %'],
    [5, 5, '100 %'],
  ])('%i of %i is %s', (part, whole, text) => expect(percent(part, whole)).toBe(text))

  it.each([
    [0, '0 B'],
    [1_023, '1023 B'],
    [1_024, '1.0 KiB'],
    [5_368_709_120, '5.0 GiB'],
    [2 ** 62, '4096 PiB'],
  ])('%i bytes are %s', (n, text) => expect(bytes(n)).toBe(text))

  it.each([
    [0.04, '< 0.1 ms'],
    [0.25, '0.3 ms'],
    [999, '999 ms'],
    [1_500, '1.5 s'],
    [90_000, '1.5 min'],
    [5_400_000, '1.5 h'],
    [172_800_000, '2 d'],
  ])('%f ms are %s', (ms, text) => expect(duration(ms)).toBe(text))

  it('a span says a day once', () => {
    expect(span('2026-05-04T08:00:00Z', '2026-05-04T09:00:00.123Z')).toBe('2026-05-04 08:00:00 – 09:00:00')
    expect(span('2026-05-04T08:00:00Z', '2026-05-05T09:00:00Z')).toBe('2026-05-04 08:00:00 – 2026-05-05 09:00:00')
  })
})

describe('charts of characters', () => {
  it('something is never nothing, and nothing is', () => {
    expect([bar(0, 10, 8), bar(1, 1_000_000, 8), bar(5, 10, 8), bar(10, 10, 8)]).toEqual(['', '▏', '████', '████████'])
    expect(sparkline([0, 1, 50, 100])).toBe(' ▁▅█')
    expect(sparkline([])).toBe('')
  })

  it('a table aligns, cuts and makes visible', () => {
    const lines = table(
      [
        { title: 'name', max: 6 },
        { title: 'n', right: true },
      ],
      [
        ['abcdefghij', 5],
        ['\u001b[31m', 12_000],
      ],
      (text) => text,
    )
    expect(lines).toEqual(['name            n', 'abcde…          5', '\\u001b[31m  12000'])
  })
})
