import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { LIMITS } from '../../kernel/index.ts'

export type OnBytes = (bytes: number) => void

export const fileBytes = (path: string): Readable => createReadStream(path, { highWaterMark: LIMITS.reportChunkBytes })

/**
 * The bytes of a file or a pipe, unpacked if they are gzip, whatever the name says. `onBytes` hears of bytes as they stand on disk, because those are what
 * a progress bar knows the total of.
 */
export async function* chunksOf(source: Readable, onBytes: OnBytes): AsyncGenerator<Buffer> {
  const bytes = counted(source, onBytes)
  const head = await bytes.next()
  if (head.done) return
  const whole = (async function* () {
    yield head.value
    yield* bytes
  })()
  yield* isGzip(head.value) ? unpacked(whole) : whole
}

const isGzip = (head: Uint8Array): boolean => head[0] === 0x1f && head[1] === 0x8b

async function* counted(source: Readable, onBytes: OnBytes): AsyncGenerator<Buffer> {
  let head: Buffer | null = null
  for await (const chunk of source) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk)
    onBytes(bytes.length)
    // A pipe may hand over a single byte first, and two are needed to know gzip.
    const whole: Buffer = head === null ? bytes : Buffer.concat([head, bytes])
    head = null
    if (whole.length < 2) head = whole
    else yield whole
  }
  if (head !== null) yield head
}

/** At most so many unpacked bytes. */
export async function* upTo(bytesMax: number, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let left = bytesMax
  for await (const chunk of chunks) {
    if (chunk.length >= left) {
      yield chunk.subarray(0, left)
      return
    }
    left -= chunk.length
    yield chunk
  }
}

async function* unpacked(packed: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: LIMITS.reportChunkBytes })
  const source = Readable.from(packed).on('error', (error) => gunzip.destroy(error))
  try {
    for await (const chunk of source.pipe(gunzip)) yield chunk
  } finally {
    source.destroy()
    gunzip.destroy()
  }
}
