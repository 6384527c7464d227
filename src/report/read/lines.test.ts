import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { LIMITS } from '../../kernel/index.ts'
import { chunksOf, upTo } from './chunks.ts'
import { eachLine } from './lines.ts'

async function linesOf(chunks: AsyncIterable<Buffer> | Buffer[]): Promise<{ lines: [number, string][]; tooLong: number[] }> {
  const lines: [number, string][] = []
  const tooLong: number[] = []
  const source = Array.isArray(chunks) ? Readable.from(chunks) : chunks
  await eachLine(source, {
    line: (bytes, start, end, number) => void lines.push([number, bytes.toString('utf8', start, end)]),
    tooLong: (number) => void tooLong.push(number),
  })
  return { lines, tooLong }
}

it('cuts lines wherever chunks end, in the middle of a letter too', async () => {
  const text = Buffer.from('\nerste Zeile äöü\r\n\n\nzweite\nohne Ende')
  const expected = [
    [2, 'erste Zeile äöü'],
    [5, 'zweite'],
    [6, 'ohne Ende'],
  ]
  for (let size = 1; size <= text.length; size += 1) {
    const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.subarray(i * size, (i + 1) * size))
    expect((await linesOf(chunks)).lines).toEqual(expected)
  }
})

it('passes over a byte order mark', async () => {
  expect((await linesOf([Buffer.from('\ufeffa\nb')])).lines).toEqual([
    [1, 'a'],
    [2, 'b'],
  ])
})

it('a line without an end does not fill memory', async () => {
  const long = Buffer.alloc(LIMITS.reportLineBytesMax, 0x61)
  const { lines, tooLong } = await linesOf([Buffer.from('a\n'), long, long, long, Buffer.from('x\nb\n')])
  expect(tooLong).toEqual([2])
  expect(lines).toEqual([
    [1, 'a'],
    [3, 'b'],
  ])
})

it('unpacks gzip by its bytes and not by its name, several members too, and byte by byte', async () => {
  const packed = Buffer.concat([gzipSync('a\nb\n'), gzipSync('c\n')])
  for (const size of [1, packed.length]) {
    const chunks = Array.from({ length: Math.ceil(packed.length / size) }, (_, i) => packed.subarray(i * size, (i + 1) * size))
    let read = 0
    const { lines } = await linesOf(chunksOf(Readable.from(chunks), (n) => (read += n)))
    expect(lines.map(([, text]) => text)).toEqual(['a', 'b', 'c'])
    expect(read).toBe(packed.length)
  }
})

it('gives what can be unpacked of a file that was cut, and then fails', async () => {
  const packed = gzipSync('line\n'.repeat(100_000))
  let lines = 0
  const reading = eachLine(
    chunksOf(Readable.from([packed.subarray(0, packed.length - 20)]), () => {}),
    { line: () => (lines += 1), tooLong: () => {} },
  )
  await expect(reading).rejects.toThrow('unexpected end of file')
  expect(lines).toBeGreaterThan(10_000)
})

it('stops where it is told to, counted in unpacked bytes', async () => {
  const { lines } = await linesOf(
    upTo(
      4,
      chunksOf(Readable.from([gzipSync('a\nb\nc\n')]), () => {}),
    ),
  )
  expect(lines.map(([, text]) => text)).toEqual(['a', 'b'])
})

it('an empty source has no lines', async () => {
  expect((await linesOf(chunksOf(Readable.from([]), () => {}))).lines).toEqual([])
})
