import { hash32, randomFrom } from '../hash.ts'
import { type Colour, clamp01, mix, smoothstep } from './canvas.ts'
import { castleAt, type Part } from './castle.ts'
import { fractal, noise } from './noise.ts'
import { type Palette, paletteFor, skyAt } from './palette.ts'

/** A landscape that can be asked for any pixel. All lengths are in heights of the picture. */
export interface Scene {
  colourAt(x: number, y: number): Colour
}

interface Ridge {
  readonly colour: Colour
  /** Height of its line at each column, 0 at the top. */
  readonly line: Float64Array
  /** How much it drowns in haze towards its foot. */
  readonly haze: number
}

const HORIZON = 0.66
const WATERLINE = 0.76
const WATER_WORDS = /\b(?:sea|ocean|lake|river|water|beach|harbou?r|island|boat|ship|fjord|reflect)/i
const CASTLE_WORDS = /\b(?:castle|gate|gatehouse|tower|fort|fortress|palace|knight|portcullis|kingdom)/i
const TREELESS_WORDS = /\b(?:desert|dune|sand|canyon|mars|moon|sea|ocean|beach)/i

export function createScene(prompt: string, seed: number, width: number, height: number): Scene {
  const key = hash32(`${prompt}\n${seed}`)
  const random = randomFrom(key)
  const palette = paletteFor(prompt, seed)
  const aspect = width / height
  const light = { x: aspect * (0.22 + 0.56 * random()), y: HORIZON * (1 - palette.lightHeight) - 0.04, radius: 0.045 + 0.02 * random() }
  const water = WATER_WORDS.test(prompt) || (!CASTLE_WORDS.test(prompt) && random() < 0.3)
  const ridges = raise({ key, palette, width, height, water, trees: !TREELESS_WORDS.test(prompt) })
  const castle = CASTLE_WORDS.test(prompt) ? site(ridges[CASTLE_RIDGE], aspect * (0.32 + 0.36 * random()), height) : null

  const sky = (x: number, y: number): Colour => {
    let colour = skyAt(palette, y / HORIZON)
    colour = mix(colour, palette.light, starAt(x, y, key) * palette.stars * smoothstep(HORIZON, 0.1, y))
    const away = Math.hypot(x - light.x, y - light.y)
    colour = mix(colour, palette.light, 0.55 * Math.exp(-away * 5) + 0.25 * Math.exp(-away * 22))
    const cloud = smoothstep(0.52, 0.78, fractal(x * 2.2, y * 8, key, 4)) * smoothstep(0, 0.12, y) * (1 - 0.55 * palette.stars)
    colour = mix(colour, mix(skyAt(palette, 1), palette.light, 0.5), cloud * 0.55)
    return mix(colour, palette.light, clamp01((light.radius - away) * height + 0.5) * (1 - cloud * 0.5))
  }

  const land = (x: number, y: number): Colour => {
    const column = Math.min(Math.max(Math.round(x * height - 0.5), 0), width - 1)
    const haze = skyAt(palette, 0.96)
    let colour: Colour | null = null
    for (const [index, { line, colour: stone, haze: drowns }] of ridges.entries()) {
      if (castle !== null && index === CASTLE_RIDGE)
        colour = build(castle, x, y, colour ?? sky(x, y), mix(stone, palette.near, 0.35), palette)
      const top = line[column] ?? 1
      const cover = clamp01((y - top) * height + 0.5)
      if (cover > 0) colour = mix(colour ?? sky(x, y), mix(stone, haze, drowns * smoothstep(0, 0.3, y - top)), cover)
    }
    return colour ?? sky(x, y)
  }

  const colourAt = (x: number, y: number): Colour => {
    if (!water || y <= WATERLINE) return land(x, y)
    const depth = y - WATERLINE
    const ripple = noise(x * 12, depth * 150 + 3, key) - 0.5
    const mirrored = land(x + ripple * (0.006 + depth * 0.05), WATERLINE - depth * 2.3 + ripple * (0.01 + depth * 0.1))
    const glitter = smoothstep(0.5, 0.8, noise(x * 9, depth * 210, key + 5)) * Math.exp(-(((x - light.x) / (0.035 + depth * 0.35)) ** 2))
    return mix(mix(mirrored, palette.near, 0.2 + depth * 0.7), palette.light, glitter * 0.6)
  }
  return { colourAt: (x, y) => colourAt((x + 0.5) / height, (y + 0.5) / height) }
}

const RIDGES = 5
const CASTLE_RIDGE = 3

interface Ground {
  readonly key: number
  readonly palette: Palette
  readonly width: number
  readonly height: number
  readonly water: boolean
  readonly trees: boolean
}

/** From far and pale to near and dark, each lower than the one behind it. */
function raise({ key, palette, width, height, water, trees }: Ground): readonly Ridge[] {
  const count = water ? RIDGES - 2 : RIDGES
  return Array.from({ length: count }, (_value, index) => {
    const depth = index / (RIDGES - 1)
    const nearest = !water && index === count - 1
    const foot = HORIZON - 0.06 + depth * 0.3
    const peak = 0.3 - depth * 0.16
    const line = new Float64Array(width)
    for (let column = 0; column < width; column += 1) {
      const x = column / height
      const crags = 1 - Math.abs(2 * fractal(x * (1.6 + depth), index * 17.3, key + index, 5) - 1)
      const wood = trees && nearest ? treesAt(x, key) : 0
      line[column] = foot - peak * (crags - 0.45) - wood
    }
    return { line, colour: mix(palette.far, palette.near, depth ** 0.8), haze: nearest ? 0 : 0.75 - depth * 0.35 }
  })
}

/** Firs along the nearest ridge: the tallest of three staggered rows of spikes. */
function treesAt(x: number, key: number): number {
  return Math.max(
    ...[0, 1, 2].map((row) => {
      const place = x * (26 + row * 9) + row * 0.37
      const tree = Math.floor(place)
      const tall = noise(tree + 0.5, row * 3.1, key + 91)
      const off = Math.abs(place - tree - 0.5) * 2
      const branches = 0.14 * ((off * 7) % 1)
      return Math.max(0, 1 - off * 1.5 - branches) * tall * 0.085
    }),
  )
}

/** A star here and there, each in a cell of its own, so that the sky is not crowded. */
function starAt(x: number, y: number, key: number): number {
  const cell = 0.028
  const column = Math.floor(x / cell)
  const row = Math.floor(y / cell)
  const random = randomFrom(key ^ hash32(`${column},${row}`))
  if (random() > 0.35) return 0
  const away = Math.hypot(x - (column + random()) * cell, y - (row + random()) * cell)
  return (0.35 + 0.65 * random()) * clamp01(1.4 - away / 0.0016)
}

interface Site {
  readonly x: number
  readonly foot: number
  readonly size: number
  readonly grain: number
}

function site(ridge: Ridge | undefined, x: number, height: number): Site {
  const size = 0.3
  const column = Math.round(x * height)
  const reach = Math.round(size * 0.7 * height)
  const under = ridge?.line.subarray(Math.max(0, column - reach), column + reach) ?? new Float64Array([0.8])
  const middle = [...under].sort((a, b) => a - b)[Math.floor(under.length * 0.35)] ?? 0.8
  return { x, foot: middle, size, grain: 1 / (height * size) }
}

/** Four looks per pixel, because towers have straight edges and pixels show on them. */
function build({ x, foot, size, grain }: Site, px: number, py: number, behind: Colour, stone: Colour, { light }: Palette): Colour {
  const u = (px - x) / size
  const v = (foot - py) / size
  if (Math.abs(u) > 1.1 || v > 1.7 || v < -0.9) return behind
  const parts = SUBPIXELS.map(([du, dv]) => castleAt(u + du * grain, v + dv * grain))
  const share = (wanted: Part): number => parts.filter((part) => part === wanted).length / parts.length
  return mix(mix(behind, stone, 1 - share('none')), light, share('light') * 0.8)
}

const SUBPIXELS = [
  [-0.25, -0.25],
  [0.25, -0.25],
  [-0.25, 0.25],
  [0.25, 0.25],
] as const
