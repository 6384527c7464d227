import { describe, expect, it } from 'vitest'
import { closeMatches } from './index.ts'

const NAMES = ['llama3.2:latest', 'llama3.1:8b', 'mistral', 'org/qwen2.5:7b', 'nomic-embed-text', 'tts-1', 'whisper-1', 'gpt-4o']

describe('close matches', () => {
  it.each([
    ['llama3.2', 'llama3.2:latest'],
    ['LLAMA3.2:LATEST', 'llama3.2:latest'],
    ['lama3.2:latest', 'llama3.2:latest'],
    ['lama3.2', 'llama3.2:latest'],
    ['mistrla', 'mistral'],
    ['mistral:7b', 'mistral'],
    ['qwen2.5', 'org/qwen2.5:7b'],
    ['nomic', 'nomic-embed-text'],
    ['gtp-4o', 'gpt-4o'],
    ['gpt-4o ', 'gpt-4o'],
    ['tts1', 'tts-1'],
  ])('%s means %s', (wanted, meant) => expect(closeMatches(wanted, NAMES)[0]).toBe(meant))

  it.each(['', 'x', 'qq', 'completely-different', '\u0000', 'constructor'])('%j means none of them', (wanted) => {
    expect(closeMatches(wanted, NAMES)).toEqual([])
  })

  it('are three at most, the closest first, the same ones every time', () => {
    expect(closeMatches('llama3', ['llama3.3', 'llama3.1', 'llama3.2', 'llama33', 'llama3'])).toEqual(['llama3', 'llama33', 'llama3.1'])
    expect(closeMatches('llama3', ['llama3.3', 'llama3.1'], 1)).toEqual(['llama3.1'])
  })

  it('are the ones that the textbook finds, up to three letters', () => {
    let seed = 20_261_121
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      return Math.floor((seed / 2 ** 32) * below)
    }
    for (let round = 0; round < 2_000; round += 1) {
      const name = Array.from({ length: 9 + random(6) }, () => 'abcd'[random(4)]).join('')
      const letters = [...name].map((letter, at) => (at > 1 && random(9) === 0 ? ['', 'x', `${letter}y`][random(3)] : letter))
      const at = 2 + random(6)
      if (random(2) === 0) letters.splice(at, 2, letters[at + 1], letters[at])
      const wanted = letters.join('')
      if (wanted.length < 9) continue
      expect([name, wanted, closeMatches(wanted, [name]).length]).toEqual([
        name,
        wanted,
        textbook(wanted, name) <= 3 || name.startsWith(wanted) || wanted.startsWith(name) ? 1 : 0,
      ])
    }
  })

  it('cost little, however many names there are and however long the one that is asked for', () => {
    const names = Array.from({ length: 10_000 }, (_zero, at) => `model-with-a-long-name-${at}`)
    for (const wanted of ['model-with-a-long-nam-77', 'm'.repeat(1_000_000), names.join(''), 'model-with-a-long-name-10001']) {
      const startedMs = performance.now()
      closeMatches(wanted, names)
      expect(performance.now() - startedMs).toBeLessThan(100)
    }
  })
})

function textbook(a: string, b: string): number {
  let [last, before] = [Array.from({ length: b.length + 1 }, (_zero, at) => at), [] as number[]] // filled by the first turn
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      row[j] = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j] ?? 0, (before[j - 2] ?? 0) + 1)
    }
    before = last
    last = row
  }
  return last[b.length] ?? 0
}
