import { hash32 } from '../hash.ts'
import { type Colour, mix } from './canvas.ts'

export interface Palette {
  /** From the zenith to the horizon. */
  readonly sky: readonly [Colour, Colour, Colour, Colour]
  readonly light: Colour
  readonly far: Colour
  readonly near: Colour
  /** How many stars are out, 0 to 1. */
  readonly stars: number
  /** Height of the sun or moon: 0 at the horizon, 1 at the zenith. */
  readonly lightHeight: number
}

const colour = (hex: string): Colour => [
  Number.parseInt(hex.slice(0, 2), 16),
  Number.parseInt(hex.slice(2, 4), 16),
  Number.parseInt(hex.slice(4), 16),
]

function palette(sky: string, [light, far, near]: readonly [string, string, string], stars: number, lightHeight: number): Palette {
  const [a = '', b = '', c = '', d = ''] = sky.split(' ')
  return {
    sky: [colour(a), colour(b), colour(c), colour(d)],
    light: colour(light),
    far: colour(far),
    near: colour(near),
    stars,
    lightHeight,
  }
}

const PALETTES = {
  dawn: palette('2b2d5b 7a4b86 e88b7d ffd9a0', ['fff1c9', '9a6f96', '1f1a33'], 0.2, 0.12),
  day: palette('2f6fb7 6aa9de b5d9ee eaf4f1', ['fffbe8', '8fb0c4', '23403c'], 0, 0.62),
  dusk: palette('1d1b3f 5b2a5e c7514f f6a75c', ['ffe0a3', '6d3d5f', '160f22'], 0.35, 0.1),
  night: palette('060a1e 0d1737 1d2d57 3a4c79', ['f3f1e0', '2a3a66', '050814'], 1, 0.66),
  mist: palette('5d7380 90a4aa c3cdc9 e9e6da', ['fffdf2', 'a9b8b8', '2a3b3d'], 0, 0.4),
  aurora: palette('04141f 0b3040 1d6a63 8fd6a5', ['e9ffe9', '1e5a5c', '03131a'], 0.8, 0.55),
  desert: palette('3a6ea5 86b3c9 f0cfa0 f7e3c0', ['fff3d0', 'd49a6a', '5c2618'], 0, 0.5),
} as const satisfies Record<string, Palette>

type Mood = keyof typeof PALETTES

const MOODS: readonly (readonly [RegExp, Mood])[] = [
  [/\b(?:dawn|sunrise|morning|pink)/i, 'dawn'],
  [/\b(?:dusk|sunset|evening|twilight|fire|autumn)/i, 'dusk'],
  [/\b(?:night|midnight|moon|star|space|dark|galaxy)/i, 'night'],
  [/\b(?:aurora|green|emerald|magic|alien)/i, 'aurora'],
  [/\b(?:desert|dune|sand|canyon|mars|egypt)/i, 'desert'],
  [/\b(?:mist|fog|rain|snow|winter|grey|gray|ghost)/i, 'mist'],
  [/\b(?:day|noon|summer|spring|blue|sunny|bright)/i, 'day'],
]

/** The words of the prompt choose the light; where they say nothing of it, the seed does. */
export function paletteFor(prompt: string, seed: number): Palette {
  const named = MOODS.find(([words]) => words.test(prompt))?.[1]
  const moods = Object.values(PALETTES)
  return named === undefined ? (moods[hash32(`${prompt} ${seed}`) % moods.length] ?? PALETTES.dawn) : PALETTES[named]
}

/** The sky at a height: 0 at the zenith, 1 at the horizon. */
export function skyAt({ sky }: Palette, height: number): Colour {
  const place = Math.min(Math.max(height, 0), 0.999) * 3
  const index = Math.floor(place)
  return mix(sky[index] ?? sky[0], sky[index + 1] ?? sky[3], place - index)
}
