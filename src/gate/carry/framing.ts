import type { ServerResponse } from 'node:http'

/** Copying more than this costs more than a longer list of buffers to write. */
const COPIED_BYTES_MAX = 8 * 1024
const CRLF = '\r\n'
const CARRIAGE_RETURN = 0x0d
const LINE_FEED = 0x0a
const LAST_CHUNK = `0${CRLF}${CRLF}`

/** How the caller is told where an answer ends: by its length, by chunks that are framed here, or by whatever Node chooses. */
export type Framing = 'sized' | 'chunks' | 'node'

/**
 * Sends the head of an answer. Node writes a chunk as four pieces; a token is short, and as one piece it costs a stream a tenth less processor time
 * (bench/, Node 20). Whoever speaks HTTP/1.0, and answers that have no body, are left to Node.
 */
export function begin(outgoing: ServerResponse, status: number, headers: string[], sized: boolean): Framing {
  const { req } = outgoing
  if (sized || req.httpVersion !== '1.1' || req.method === 'HEAD' || status === 204 || status === 304) {
    outgoing.writeHead(status, headers)
    return sized ? 'sized' : 'node'
  }
  headers.push('transfer-encoding', 'chunked')
  outgoing.writeHead(status, headers)
  outgoing.chunkedEncoding = false // the head says it, and Node would frame it once more
  return 'chunks'
}

/** As `outgoing.write`: false when the caller reads more slowly than we write. */
export function writeFramed(outgoing: ServerResponse, framing: Framing, chunk: Buffer): boolean {
  if (framing !== 'chunks') return outgoing.write(chunk)
  const { length } = chunk
  if (length === 0) return true // that would be the last one
  const head = length.toString(16) + CRLF
  if (length > COPIED_BYTES_MAX) {
    outgoing.write(head, 'latin1')
    outgoing.write(chunk)
    return outgoing.write(CRLF, 'latin1')
  }
  const whole = Buffer.allocUnsafe(head.length + length + CRLF.length)
  whole.write(head, 'latin1')
  whole.set(chunk, head.length)
  whole[whole.length - 2] = CARRIAGE_RETURN
  whole[whole.length - 1] = LINE_FEED
  return outgoing.write(whole)
}

export function endFramed(outgoing: ServerResponse, framing: Framing, done?: () => void): void {
  if (framing === 'chunks') outgoing.end(LAST_CHUNK, 'latin1', done)
  else outgoing.end(done)
}
