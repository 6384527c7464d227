import { crc32, inflateSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { createCanvas } from './canvas.ts'
import { drawable, drawText, wrap } from './font.ts'
import { encodePng } from './png.ts'

/** The chunks of a PNG, each with its checksum proved. */
function chunksOf(png: Buffer): ReadonlyMap<string, Buffer> {
  const chunks = new Map<string, Buffer>()
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at)
    const data = png.subarray(at + 8, at + 8 + length)
    expect(png.readUInt32BE(at + 8 + length)).toBe(crc32(png.subarray(at + 4, at + 8 + length)))
    chunks.set(png.toString('latin1', at + 4, at + 8), data)
    at += 12 + length
  }
  return chunks
}

function pixelsOf(chunks: ReadonlyMap<string, Buffer>, width: number, height: number): Uint8Array {
  const rows = inflateSync(chunks.get('IDAT') ?? Buffer.alloc(0))
  const pixels = new Uint8Array(width * height * 3)
  for (let row = 0; row < height; row += 1) {
    expect(rows[row * (width * 3 + 1)]).toBe(2)
    for (let i = 0; i < width * 3; i += 1) {
      const above = row === 0 ? 0 : (pixels[(row - 1) * width * 3 + i] ?? 0)
      pixels[row * width * 3 + i] = (rows[row * (width * 3 + 1) + 1 + i] ?? 0) + above
    }
  }
  return pixels
}

it('encodes pixels that decode to the same, and text in the chunk that can hold it', async () => {
  const canvas = createCanvas(7, 5)
  for (let x = 0; x < 7; x += 1) for (let y = 0; y < 5; y += 1) canvas.set(x, y, [x * 30, y * 50, (x * y * 9) % 256])
  const chunks = chunksOf(await encodePng(canvas, { parameters: 'café', title: 'замок' }))
  expect([...chunks.keys()]).toEqual(['IHDR', 'tEXt', 'iTXt', 'IDAT', 'IEND'])
  expect(pixelsOf(chunks, 7, 5)).toEqual(canvas.pixels)
  expect(chunks.get('tEXt')?.toString('latin1')).toBe('parameters\0café')
  expect(chunks.get('iTXt')?.toString('utf8')).toBe('title\0\0\0\0\0замок')
})

it('has a different glyph for every sign it claims to have', () => {
  const signs = Array.from({ length: 94 }, (_value, index) => String.fromCharCode(33 + index))
  const drawn = signs.map((sign) => {
    const canvas = createCanvas(5, 8)
    drawText(canvas, sign, { x: 0, y: 0, scale: 1, colour: [255, 255, 255] })
    return Buffer.from(canvas.pixels).toString('hex')
  })
  expect(new Set(drawn).size).toBe(signs.length)
})

it('wraps at spaces, breaks words that are too long, and says when something is left out', () => {
  expect(wrap('a castle at dawn', 8, 3)).toEqual(['a castle', 'at dawn'])
  expect(wrap('abcdefghij', 4, 3)).toEqual(['abcd', 'efgh', 'ij'])
  expect(wrap('one two three four', 5, 2)).toEqual(['one', 'two…'])
  expect(drawable(' “Très  bien” ')).toBe('"Tres bien"')
})
