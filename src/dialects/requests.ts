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

export const localJson = (value: unknown, units?: LocalAnswer['units']): LocalAnswer => ({
  status: 200,
  headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
  body: `${JSON.stringify(value)}\n`,
  ...(units === undefined ? {} : { units }),
})

/** A form of ours around the caller's file. Its options come first, so that a backend knows them when the file arrives. */
export function formRequest(
  path: string,
  part: string,
  audio: Audio,
  fields: Readonly<Record<string, string | null>> = {},
): UpstreamRequest {
  const boundary = `portcullis-${randomBase62(32)}`
  const options = Object.entries(fields)
    .filter((field): field is [string, string] => field[1] !== null)
    .map(([name, value]) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
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
