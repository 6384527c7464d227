import { type Canvas, createCanvas } from './canvas.ts'
import { ADVANCE, drawable, drawText, GLYPH_HEIGHT, wrap } from './font.ts'
import { createScene } from './scene.ts'

export interface Order {
  readonly prompt: string
  readonly seed: number
  readonly steps: number
  readonly width: number
  readonly height: number
}

export interface Painting {
  readonly canvas: Canvas
  /** How many rows are there after this many steps. */
  rowsAfter(step: number): number
  paintRow(y: number): void
  /** Writes the prompt below the picture, finished or not. */
  sign(): void
}

const CAPTION_LINES = 3
const CAPTION_WIDTH_MIN = 96

export function createPainting(order: Order): Painting {
  const { prompt, seed, steps, width, height } = order
  const canvas = createCanvas(width, height)
  const scene = createScene(prompt, seed, width, height)
  return {
    canvas,
    rowsAfter: (step) => Math.min(height, Math.ceil((height * step) / steps)),
    paintRow(y) {
      for (let x = 0; x < width; x += 1) canvas.set(x, y, scene.colourAt(x, y))
    },
    sign: () => writeCaption(canvas, order),
  }
}

/** White letters on a darkened foot; the smallest pictures have no room for them. */
function writeCaption(canvas: Canvas, { prompt, seed, steps, width, height }: Order): void {
  if (width < CAPTION_WIDTH_MIN || height < CAPTION_WIDTH_MIN) return
  const scale = Math.max(1, Math.round(Math.min(width, height) / 256))
  const margin = 8 * scale
  const lines = wrap(drawable(prompt), Math.floor((width - 2 * margin) / (ADVANCE * scale)), CAPTION_LINES)
  const small = Math.max(1, scale - 1)
  const footer = `stand-in picture · seed ${seed} · ${steps} steps · ${width}x${height}`
  const columns = Math.floor((width - 2 * margin) / (ADVANCE * small))
  const lineHeight = (GLYPH_HEIGHT + 2) * scale
  const top = height - margin - GLYPH_HEIGHT * small - lines.length * lineHeight - 2 * scale
  darken(canvas, top - 3 * margin)
  for (const [index, text] of lines.entries()) write(canvas, text, margin, top + index * lineHeight, scale, 255)
  write(canvas, wrap(footer, columns, 1)[0] ?? '', margin, height - margin - GLYPH_HEIGHT * small + small, small, 205)
}

function darken(canvas: Canvas, from: number): void {
  for (let y = Math.max(0, from); y < canvas.height; y += 1) {
    const share = Math.min(1, (y - from) / (canvas.height - from) / 0.6) * 0.62
    for (let x = 0; x < canvas.width; x += 1) canvas.shade(x, y, share)
  }
}

function write(canvas: Canvas, text: string, x: number, y: number, scale: number, grey: number): void {
  drawText(canvas, text, { x: x + scale, y: y + scale, scale, colour: [0, 0, 0] })
  drawText(canvas, text, { x, y, scale, colour: [grey, grey, grey] })
}
