/** Red, green and blue, 0 to 255; fractions are welcome until a pixel is set. */
export type Colour = readonly [number, number, number]

export interface Canvas {
  readonly width: number
  readonly height: number
  /** Three bytes a pixel, row by row from the top. */
  readonly pixels: Uint8Array
  set(x: number, y: number, colour: Colour): void
  fill(x: number, y: number, width: number, height: number, colour: Colour): void
  /** Darkens a pixel towards black: 0 leaves it, 1 blackens it. */
  shade(x: number, y: number, share: number): void
}

export function createCanvas(width: number, height: number): Canvas {
  const pixels = new Uint8Array(width * height * 3)
  const set = (x: number, y: number, [r, g, b]: Colour): void => {
    if (x < 0 || y < 0 || x >= width || y >= height) return
    const at = (y * width + x) * 3
    pixels[at] = Math.min(255, r + 0.5)
    pixels[at + 1] = Math.min(255, g + 0.5)
    pixels[at + 2] = Math.min(255, b + 0.5)
  }
  return {
    width,
    height,
    pixels,
    set,
    fill(x, y, w, h, colour) {
      for (let row = y; row < y + h; row += 1) for (let column = x; column < x + w; column += 1) set(column, row, colour)
    },
    shade(x, y, share) {
      const at = (y * width + x) * 3
      for (let i = at; i < at + 3; i += 1) pixels[i] = (pixels[i] ?? 0) * (1 - share)
    },
  }
}

export const mix = (a: Colour, b: Colour, share: number): Colour => [
  a[0] + (b[0] - a[0]) * share,
  a[1] + (b[1] - a[1]) * share,
  a[2] + (b[2] - a[2]) * share,
]

export const clamp01 = (x: number): number => Math.min(Math.max(x, 0), 1)

/** 0 below `from`, 1 above `to`, and no corner between. */
export function smoothstep(from: number, to: number, x: number): number {
  const t = clamp01((x - from) / (to - from))
  return t * t * (3 - 2 * t)
}
