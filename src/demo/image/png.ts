import { promisify } from 'node:util'
import { crc32, deflate } from 'node:zlib'
import type { Canvas } from './canvas.ts'

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const TRUECOLOUR = 2
const FILTER_UP = 2
const compress = promisify(deflate)

/** A PNG of 8 bits a channel. Texts go where image tools look for them: A1111 keeps a picture's recipe under `parameters`. */
export async function encodePng({ width, height, pixels }: Canvas, texts: Readonly<Record<string, string>> = {}): Promise<Buffer> {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = 8
  header[9] = TRUECOLOUR
  const data = await compress(filterRows(pixels, width * 3, height))
  const words = Object.entries(texts).map(([keyword, text]) => textChunk(keyword, text))
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), ...words, chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.alloc(12 + data.length)
  bytes.writeUInt32BE(data.length, 0)
  bytes.write(type, 4, 'latin1')
  data.copy(bytes, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length)
  return bytes
}

/** `tEXt` holds Latin-1 only; anything else is an `iTXt` in UTF-8, not compressed, with no language. */
function textChunk(keyword: string, text: string): Buffer {
  if (/^[\n\x20-\x7e\xa0-\xff]*$/.test(text)) return chunk('tEXt', Buffer.from(`${keyword}\0${text}`, 'latin1'))
  return chunk('iTXt', Buffer.concat([Buffer.from(`${keyword}\0\0\0\0\0`, 'latin1'), Buffer.from(text, 'utf8')]))
}

/** Each row as its difference from the one above: skies compress to a fraction of their size. */
function filterRows(pixels: Uint8Array, rowBytes: number, rows: number): Buffer {
  const out = Buffer.alloc((rowBytes + 1) * rows)
  for (let row = 0; row < rows; row += 1) {
    const to = row * (rowBytes + 1)
    const from = row * rowBytes
    out[to] = FILTER_UP
    for (let i = 0; i < rowBytes; i += 1) out[to + 1 + i] = (pixels[from + i] ?? 0) - (row === 0 ? 0 : (pixels[from - rowBytes + i] ?? 0))
  }
  return out
}
