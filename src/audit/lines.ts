import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'

const NEWLINE = 10
/** Longer than any line the ledger writes; a file without newlines must not end in memory. */
const LINE_BYTES_MAX = 4 * 1024 * 1024

export interface ScanOptions {
  /** Where in the (uncompressed) file to begin; must be the start of a line. */
  readonly from?: number
  /** Where to stop. */
  readonly to?: number
  readonly chunkBytes?: number
  /** Read through this descriptor of a plain file, and not through its path; it is left open. */
  readonly handle?: FileHandle
  /** After the lines of a chunk were visited: they are `bytes[0, upTo)`, and their place in the file begins at `offset`. */
  readonly consumed?: (bytes: Buffer, upTo: number, offset: number) => void
}

/** One line without its newline: `bytes[start, end)`, valid only during the call. `offset` and `line` (from 1) are its place in the file. False ends the scan. */
export type LineVisitor = (bytes: Buffer, start: number, end: number, offset: number, line: number) => boolean | undefined

export interface Scanned {
  /** End of the last whole line. */
  readonly end: number
  /** Bytes after it: a torn line. */
  readonly torn: number
  readonly lines: number
}

async function* plainChunks(path: string, from: number, chunkBytes: number, given: FileHandle | undefined): AsyncGenerator<Buffer> {
  const handle = given ?? (await open(path, 'r'))
  try {
    const buffer = Buffer.allocUnsafe(chunkBytes)
    for (let position = from; ; ) {
      const { bytesRead } = await handle.read(buffer, 0, chunkBytes, position)
      if (bytesRead === 0) return
      position += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    if (!given) await handle.close()
  }
}

async function* gzipChunks(path: string, from: number, chunkBytes: number): AsyncGenerator<Buffer> {
  const source = createReadStream(path)
  const plain = createGunzip({ chunkSize: chunkBytes })
  source.on('error', (error) => plain.destroy(error))
  let skip = from
  try {
    for await (const chunk of source.pipe(plain)) {
      // createGunzip without an encoding yields Buffers.
      const bytes = chunk as Buffer
      if (skip >= bytes.length) skip -= bytes.length
      else {
        yield skip > 0 ? bytes.subarray(skip) : bytes
        skip = 0
      }
    }
  } finally {
    source.destroy()
    plain.destroy()
  }
}

/** Visits the lines of a plain or gzipped file in order, in chunks, so that the event loop turns between them and memory stays flat. */
export async function scanLines(path: string, visit: LineVisitor, options: ScanOptions = {}): Promise<Scanned> {
  const { from = 0, to = Number.POSITIVE_INFINITY, chunkBytes = 256 * 1024 } = options
  const zipped = !options.handle && path.endsWith('.gz')
  const chunks = zipped ? gzipChunks(path, from, chunkBytes) : plainChunks(path, from, chunkBytes, options.handle)
  let carry: Buffer = Buffer.alloc(0)
  let end = from
  let line = 0
  let read = from
  for await (const chunk of chunks) {
    const wanted = read + chunk.length > to ? chunk.subarray(0, to - read) : chunk
    read += wanted.length
    const bytes = carry.length > 0 ? Buffer.concat([carry, wanted]) : wanted
    let start = 0
    const begun = end
    for (let newline = bytes.indexOf(NEWLINE); newline !== -1; newline = bytes.indexOf(NEWLINE, start)) {
      line += 1
      const more = visit(bytes, start, newline, end, line)
      end += newline + 1 - start
      start = newline + 1
      if (more === false) return { end, torn: 0, lines: line }
    }
    options.consumed?.(bytes, start, begun)
    // A copy, because the chunk's memory is used again.
    carry = Buffer.from(bytes.subarray(start))
    if (carry.length > LINE_BYTES_MAX) throw new Error(`${path}: a line of more than ${LINE_BYTES_MAX} bytes begins at byte ${end}`)
    if (read >= to) break
  }
  return { end, torn: carry.length, lines: line }
}
