import { hash32 } from '../hash.ts'

const DIMENSIONS = 384

/** Hashed words and letter triples: texts that share words are near each other, which is all a stand-in's vectors can honestly mean. */
export function embed(text: string, dimensions = DIMENSIONS): number[] {
  const vector = new Array<number>(dimensions).fill(0)
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    add(vector, word, 1)
    for (let i = 0; i + 3 <= word.length; i += 1) add(vector, `#${word.slice(i, i + 3)}`, 0.3)
  }
  return vector
}

function add(vector: number[], feature: string, weight: number): void {
  const hash = hash32(feature)
  const at = (hash >>> 1) % vector.length
  vector[at] = (vector[at] ?? 0) + (hash & 1 ? weight : -weight)
}

export function normalised(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector)
  return length === 0 ? [...vector] : vector.map((value) => value / length)
}
