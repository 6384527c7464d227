import { createHash } from 'node:crypto'
import { PeerLeft, type Wire } from './wire.ts'

/** A request as it came, and what became of it. The fields that are not readonly fill while it runs. */
export interface SeenRequest {
  /** Which connection brought it, from 1. */
  readonly connection: number
  readonly method: string
  /** The request target as it came, not decoded. */
  readonly target: string
  /** Names as they were written, in their order, repeated ones too. */
  readonly rawHeaders: readonly (readonly [name: string, value: string])[]
  /** A header by its lower-case name; repeated ones joined by a comma. */
  header(name: string): string | undefined
  /** Of the body so far: at most `bodyBytesKept`. */
  body: Buffer
  bodyBytes: number
  /** SHA-256 in hex, once the body is whole. */
  sha256: string | null
  /** All times are performance.now(). */
  readonly atMs: number
  /** When the peer closed or reset before the behaviour was through with it. */
  leftMs: number | null
  /** When the behaviour was through. */
  doneMs: number | null
  /** Bytes of answers written to the kernel. */
  sentBytes: number
}

export function parseHead(head: Buffer, connection: number): SeenRequest {
  const [requestLine = '', ...lines] = head.toString('latin1').split('\r\n')
  const [method = '', target = ''] = requestLine.split(' ')
  const rawHeaders = lines
    .filter((line) => line !== '')
    .map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
    })
  const header = (name: string): string | undefined => {
    const values = rawHeaders.filter(([raw]) => raw.toLowerCase() === name).map(([, value]) => value)
    return values.length === 0 ? undefined : values.join(', ')
  }
  const atMs = performance.now()
  const outcome = { body: Buffer.alloc(0), bodyBytes: 0, sha256: null, leftMs: null, doneMs: null, sentBytes: 0 }
  return { connection, method, target, rawHeaders, header, atMs, ...outcome }
}

export interface BodyReader {
  /** Reads on until this many bytes of the body have been seen, or its end. */
  upTo(bytes: number): Promise<void>
  readonly whole: boolean
}

/** Reads a body into its record, as fast as it is asked to. */
export function bodyReader(wire: Wire, seen: SeenRequest, { bytesKept }: { bytesKept: number }): BodyReader {
  const hash = createHash('sha256')
  const pieces = piecesOf(wire, seen)
  let whole = false
  let kept: Buffer[] = []
  return {
    get whole() {
      return whole
    },
    async upTo(bytes) {
      while (!whole && seen.bodyBytes < bytes) {
        const { value, done } = await pieces.next()
        if (done) {
          whole = true
          seen.sha256 = hash.digest('hex')
          break
        }
        hash.update(value)
        if (seen.bodyBytes < bytesKept) kept.push(value)
        seen.bodyBytes += value.length
      }
      seen.body = Buffer.concat([seen.body, ...kept])
      kept = []
    },
  }
}

const PIECE_BYTES_MAX = 64 * 1024

async function* piecesOf(wire: Wire, seen: SeenRequest): AsyncGenerator<Buffer, void> {
  if (/chunked/i.test(seen.header('transfer-encoding') ?? '')) return yield* chunksOf(wire)
  for (let left = Number(seen.header('content-length') ?? 0); left > 0; ) {
    const piece = await wire.some(Math.min(left, PIECE_BYTES_MAX))
    left -= piece.length
    yield piece
  }
}

async function* chunksOf(wire: Wire): AsyncGenerator<Buffer, void> {
  for (;;) {
    const size = Number.parseInt(await wire.line(), 16)
    if (Number.isNaN(size)) throw new PeerLeft('a chunk without a size')
    for (let left = size; left > 0; ) {
      const piece = await wire.some(Math.min(left, PIECE_BYTES_MAX))
      left -= piece.length
      yield piece
    }
    // After the last chunk come trailers and an empty line, after any other one an empty line.
    while ((await wire.line()) !== '') if (size > 0) throw new PeerLeft('a chunk longer than it said')
    if (size === 0) return
  }
}
