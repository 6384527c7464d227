import { Readable } from 'node:stream'
import { randomBase62 } from '../kernel/index.ts'
import type { Audio } from './operations.ts'
import type { LocalAnswer, UpstreamRequest } from './plan.ts'

export const getRequest = (path: string): UpstreamRequest => ({ method: 'GET', path, headers: {}, body: null })

export const jsonRequest = (path: string, value: unknown): UpstreamRequest => ({
  method: 'POST',
  path,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify(value)),
})

export const localJson = (value: unknown, units?: LocalAnswer['units']): LocalAnswer => jsonAnswer(`${JSON.stringify(value)}\n`, units)

/** JSON that was written already. */
export const jsonAnswer = (body: LocalAnswer['body'], units?: LocalAnswer['units']): LocalAnswer => ({
  status: 200,
  headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
  body,
  ...(units === undefined ? {} : { units }),
})

/** A body that is made while it is sent, so that while it waits for a place at its backend it takes no more memory than what it is made of. */
export function inPieces(pieces: Iterable<Buffer>): Readable {
  const body = Readable.from(pieces, { objectMode: false, highWaterMark: PIECE_BYTES })
  body.on('error', () => {}) // while it waits nobody else listens
  return body
}

const PIECE_BYTES = 256 * 1024

/** Bytes that are here, a part at a time. */
export function* cut(bytes: Buffer, partBytes = PIECE_BYTES): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += partBytes) yield bytes.subarray(at, at + partBytes)
}

export type FormField = readonly [name: string, value: string]

export interface FormFilePart {
  readonly name: string
  readonly filename: string
  readonly contentType: string
  readonly bytes: Buffer
}

const newBoundary = (): string => `portcullis-${randomBase62(32)}`
const fieldPart = (boundary: string, name: string, value: string): string =>
  `--${boundary}\r\ncontent-disposition: form-data; name="${quotable(name)}"\r\n\r\n${value}\r\n`

/** A form that is here in full; its files are not copied. */
export function wholeFormRequest(path: string, fields: readonly FormField[], files: readonly FormFilePart[]): UpstreamRequest {
  const boundary = newBoundary()
  const parts: Buffer[] = fields.map(([name, value]) => Buffer.from(fieldPart(boundary, name, value)))
  for (const { name, filename, contentType, bytes } of files) {
    const disposition = `content-disposition: form-data; name="${quotable(name)}"; filename="${quotable(filename)}"`
    parts.push(Buffer.from(`--${boundary}\r\n${disposition}\r\ncontent-type: ${contentType}\r\n\r\n`), bytes, Buffer.from('\r\n'))
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`))
  const headers = {
    'content-type': `multipart/form-data; boundary=${boundary}`,
    'content-length': String(parts.reduce((sum, { length }) => sum + length, 0)),
  }
  return { method: 'POST', path, headers, body: inPieces(eachCut(parts)) }
}

function* eachCut(parts: readonly Buffer[]): Generator<Buffer> {
  for (const part of parts) yield* cut(part)
}

/** A form of ours around the caller's file. Its options come first, so that a backend knows them when the file arrives. */
export function formRequest(
  path: string,
  part: string,
  audio: Audio,
  fields: Readonly<Record<string, string | null>> = {},
  others: readonly FormField[] = [],
): UpstreamRequest {
  const boundary = newBoundary()
  const options = [...Object.entries(fields), ...others]
    .filter((field): field is [string, string] => field[1] !== null)
    .map(([name, value]) => fieldPart(boundary, name, value))
  const disposition = `content-disposition: form-data; name="${part}"; filename="${quotable(audio.filename)}"`
  const head = Buffer.from(`${options.join('')}--${boundary}\r\n${disposition}\r\ncontent-type: ${audio.contentType}\r\n\r\n`)
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  const headers: Record<string, string> = { 'content-type': `multipart/form-data; boundary=${boundary}` }
  if (audio.size !== null) headers['content-length'] = String(head.length + audio.size + tail.length)
  return { method: 'POST', path, headers, body: audio.between(head, tail) }
}

const ESCAPES: Readonly<Record<string, string>> = { '"': '%22', '\r': '%0D', '\n': '%0A' }

/** As browsers write file names in forms (WHATWG HTML, multipart/form-data encoding). */
const quotable = (name: string): string => name.replaceAll(/["\r\n]/g, (mark) => ESCAPES[mark] ?? mark)
