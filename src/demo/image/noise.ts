import { mix32 } from '../hash.ts'

/** A random value for each whole point of the plane, in [0, 1). */
const lattice = (x: number, y: number, seed: number): number =>
  mix32(Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ seed) / 0x1_0000_0000

/** Value noise: the plane's random points, joined smoothly. */
export function noise(x: number, y: number, seed: number): number {
  const x0 = Math.floor(x)
  const y0 = Math.floor(y)
  const u = (x - x0) ** 2 * (3 - 2 * (x - x0))
  const v = (y - y0) ** 2 * (3 - 2 * (y - y0))
  const top = lattice(x0, y0, seed) * (1 - u) + lattice(x0 + 1, y0, seed) * u
  const bottom = lattice(x0, y0 + 1, seed) * (1 - u) + lattice(x0 + 1, y0 + 1, seed) * u
  return top * (1 - v) + bottom * v
}

/** Noise upon finer noise: clouds and mountains. */
export function fractal(x: number, y: number, seed: number, octaves: number): number {
  let sum = 0
  let share = 0.5
  let frequency = 1
  for (let octave = 0; octave < octaves; octave += 1) {
    sum += noise(x * frequency, y * frequency, seed + octave * 1_013) * share
    share /= 2
    frequency *= 2.03
  }
  return sum / (1 - 2 ** -octaves)
}
