import { describe, expect, it } from 'vitest'
import { namesModel, namesText } from './index.ts'

/** As it is told in docs/models.md. */
const plainly = (names: readonly string[], model: string): boolean =>
  names.some((name) => (name.endsWith('*') ? model.startsWith(name.slice(0, -1)) : name === model))

describe('a list of names of models', () => {
  it.each<[readonly string[] | null, string, boolean]>([
    [null, 'x', true],
    [[], 'x', false],
    [['x'], 'x', true],
    [['x'], 'xy', false],
    [['x*'], 'x', true],
    [['x*'], 'xy', true],
    [['x*'], 'X', false],
    [['*'], 'anything', true],
    [['*'], '', true],
    [['a*', 'ab*', 'b'], 'abc', true],
    [['ab*', 'abd*', 'b*'], 'abe', true],
    [['ab*', 'ad*'], 'ac', false],
    [['**'], '*x', true],
    [['\u{1f600}*', 'z*'], '\u{1f600}x', true],
    [['constructor'], '__proto__', false],
  ])('%j holds %s: %s', (names, model, holds) => expect(namesModel(names, model)).toBe(holds))

  it('says of every name what reading it name by name says', () => {
    let seed = 20_261_121
    process.stdout.write(`names of models: seed ${seed}\n`)
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      return Math.floor((seed / 2 ** 32) * below)
    }
    const word = (): string => Array.from({ length: random(5) }, () => 'ab/*'[random(4)]).join('')
    let held = 0
    for (let round = 0; round < 300; round += 1) {
      const names = Array.from({ length: random(12) }, () => word() + (random(3) === 0 ? '*' : ''))
      for (let n = 0; n < 50; n += 1) {
        const model = word()
        const holds = plainly(names, model)
        if (holds) held += 1
        expect([names, model, namesModel(names, model)]).toEqual([names, model, holds])
      }
    }
    expect(held).toBeGreaterThan(1_000)
  })

  it('is read once, however often it is asked', () => {
    let reads = 0
    const names = new Proxy(
      Array.from({ length: 256 }, (_none, n) => `team-${n}/*`),
      {
        get(target, name, receiver) {
          reads += 1
          return Reflect.get(target, name, receiver)
        },
      },
    )
    expect(namesModel(names, 'team-7/x')).toBe(true)
    const once = reads
    for (let n = 0; n < 1_000; n += 1) namesModel(names, `other-${n}`)
    expect(reads).toBe(once)
  })

  it('has the same text as one that holds the same', () => {
    expect(namesText(['b', 'a*', 'a', 'ab*', 'b'])).toBe(namesText(['a*', 'b']))
    expect(namesText(['*', 'x'])).toBe(namesText(null))
    const texts = [[], ['a'], ['a*'], ['a', 'b'], ['a","b'], ['a*', 'b']].map(namesText)
    expect(new Set(texts).size).toBe(texts.length)
  })
})
