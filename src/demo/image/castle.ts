export type Part = 'none' | 'stone' | 'light'

/** Half width and height of each tower, and where it stands; the castle is about two units wide. */
const TOWERS = [
  { at: -0.82, half: 0.15, height: 0.72, roof: 0 },
  { at: 0.82, half: 0.15, height: 0.78, roof: 0 },
  { at: -0.34, half: 0.13, height: 0.86, roof: 0.32 },
  { at: 0.36, half: 0.19, height: 1.08, roof: 0 },
  { at: 0.5, half: 0.07, height: 1.3, roof: 0.26 },
] as const
const WALL = { half: 0.82, height: 0.46 } as const
const GATE = { half: 0.15, height: 0.3 } as const
const MERLON = 0.085

/** What stands at a point of the castle: `u` to the right of its middle, `v` above its feet. Below the feet the rock goes on. */
export function castleAt(u: number, v: number): Part {
  if (inGate(u, v)) return onGrating(u, v) ? 'stone' : 'light'
  if (inWindow(u, v)) return 'light'
  const toothed = Math.floor(u / MERLON + 100) % 2 === 0 ? 0.055 : 0
  if (Math.abs(u) < WALL.half && v < WALL.height + toothed) return 'stone'
  for (const { at, half, height, roof } of TOWERS) {
    const off = Math.abs(u - at)
    const eaves = v > height - 0.07 ? half + 0.025 : half
    if (off < eaves && v < height + (roof === 0 ? toothed : 0)) return 'stone'
    if (roof > 0 && v >= height && off < (half + 0.05) * (1 - (v - height) / roof)) return 'stone'
  }
  return 'none'
}

function inGate(u: number, v: number): boolean {
  if (v < 0) return false
  const arch = v < GATE.height ? GATE.half : Math.sqrt(Math.max(0, GATE.half ** 2 - (v - GATE.height) ** 2))
  return Math.abs(u) < arch
}

/** The portcullis, let down. */
const onGrating = (u: number, v: number): boolean =>
  Math.abs(((u + 10.03) % 0.06) - 0.03) < 0.009 || (v > 0.03 && (v + 0.03) % 0.075 < 0.018)

function inWindow(u: number, v: number): boolean {
  return TOWERS.some(({ at, height }, index) => {
    const place = height - 0.24 - (index % 2) * 0.06
    return Math.abs(u - at) < 0.022 && v > place && v < place + 0.09
  })
}
