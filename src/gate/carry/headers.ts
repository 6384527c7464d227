import type { IncomingHttpHeaders } from 'node:http'
import { type Envelope, isEventStream } from '../../http/index.ts'
import type { Visit } from '../visit.ts'

/**
 * Named sets, each entry with its reason; what is not named is dropped. Towards backends that drops the caller's credential and
 * cookies, Host and Origin (Ollama answers 403 to strangers' ones), Expect and hop-by-hop headers (undici refuses them), forwarding
 * headers (backends must not believe them) and Accept-Encoding (we ask for identity, so that usage can be read).
 */
export const TOWARDS_BACKEND: Readonly<Record<string, string>> = {
  'content-type': 'how the body is to be read; multipart boundaries live in it',
  'content-length': 'lets the backend refuse early; only kept while the body is untouched',
  accept: 'backends choose formats by it',
  'content-encoding': 'names what the bytes are; inspected bodies never have one',
}

export const TOWARDS_CALLER: Readonly<Record<string, string>> = {
  'content-type': 'how the answer is to be read',
  'content-length': 'only while the bytes are untouched; players show progress by it',
  'content-encoding': 'names what the bytes are; we never decode',
  'content-disposition': 'the name under which a file is saved',
  'content-language': 'says something of the body alone',
  'cache-control': 'the backend knows best how long its answer holds',
  'retry-after': 'a busy backend says when to come back',
  etag: 'validators belong to the body',
  'last-modified': 'validators belong to the body',
  'asr-engine': 'whisper-asr-webservice says which engine heard it',
  'x-process-time': 'AUTOMATIC1111 clients show it',
}

const RELAYED_NAMES = Object.keys(TOWARDS_CALLER)

/** The caller's headers that go along with a body; its length only where the body is neither absent nor changed. */
export function callerHeaders({ headers }: Envelope, withLength: boolean): Record<string, string> {
  const forwarded: Record<string, string> = {}
  if (headers.contentType !== '') forwarded['content-type'] = headers.contentType
  if (headers.accept !== '') forwarded.accept = headers.accept
  if (headers.contentEncoding !== '') forwarded['content-encoding'] = headers.contentEncoding
  if (withLength && headers.contentLength >= 0) forwarded['content-length'] = String(headers.contentLength)
  return forwarded
}

/** Events may be dropped on their way, renamed, or joined by an error: their length is never what the backend said. */
export const passesLength = (upstream: IncomingHttpHeaders): boolean =>
  upstream['content-length'] !== undefined && !isEventStream(upstream['content-type'] ?? '')

/** A flat list, which Node writes as it stands. */
export function relayedHeaders(
  upstream: IncomingHttpHeaders,
  { envelope, answerHeaders }: Visit,
  contentType: string | undefined,
): string[] {
  const headers = ['x-request-id', envelope.id, ...answerHeaders]
  const sized = passesLength(upstream)
  for (const name of RELAYED_NAMES) {
    if (name === 'content-length' && !sized) continue
    const value = upstream[name]
    if (typeof value === 'string' && !(name === 'content-type' && contentType !== undefined)) headers.push(name, value)
  }
  if (contentType !== undefined) headers.push('content-type', contentType)
  // Without a length it is a stream; nginx would collect it, Caddy does not.
  if (!sized) headers.push('x-accel-buffering', 'no')
  return headers
}
