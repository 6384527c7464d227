import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http'
import type { Readable } from 'node:stream'
import { wavHeader } from '../../src/demo/index.ts'

export interface MediaCall {
  readonly path: string
  readonly method?: string
  readonly key: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Buffer | Readable
  readonly withinMs?: number
}

export interface MediaAnswer {
  /** 0 when no answer came. */
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  readonly text: string
  /** False when the connection was cut before the end that the framing promised. */
  readonly complete: boolean
  json(): Record<string, unknown>
}

/** A request whose answer is bytes. Never rejects: how it ended is part of the answer. */
export function ask(port: number, { path, method, key, headers = {}, body, withinMs = 20_000 }: MediaCall): Promise<MediaAnswer> {
  return new Promise((resolve) => {
    const finish = (status: number, answered: IncomingHttpHeaders, chunks: readonly Buffer[], complete: boolean): void => {
      const bytes = Buffer.concat(chunks)
      resolve({ status, headers: answered, bytes, text: bytes.toString(), complete, json: () => JSON.parse(bytes.toString()) })
    }
    const asked = request({
      port,
      host: '127.0.0.1',
      path,
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      agent: false,
      headers: { 'x-api-key': key, ...(Buffer.isBuffer(body) && { 'content-length': body.length }), ...headers },
    })
    asked.setTimeout(withinMs, () => asked.destroy(new Error(`no end of ${path}`)))
    asked.once('error', () => finish(0, {}, [], false))
    asked.once('response', (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', () => {}) // a cut answer errs, and then closes
      answer.once('close', () => finish(answer.statusCode ?? 0, answer.headers, chunks, answer.complete))
    })
    if (body === undefined || Buffer.isBuffer(body)) asked.end(body)
    else body.pipe(asked)
  })
}

export const askJson = (port: number, path: string, key: string, value: unknown, headers: OutgoingHttpHeaders = {}): Promise<MediaAnswer> =>
  ask(port, { path, key, body: Buffer.from(JSON.stringify(value)), headers: { 'content-type': 'application/json', ...headers } })

export const FORM_BOUNDARY = '------------------------d74496d66958873e'
export const FORM_TYPE = `multipart/form-data; boundary=${FORM_BOUNDARY}`

/** One part of a form as curl writes it; a value that is bytes is a file. */
export function partHead(name: string, filename?: string): string {
  const file = filename === undefined ? '' : `; filename="${filename}"\r\nContent-Type: audio/wav`
  return `--${FORM_BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`
}
export const FORM_END = `--${FORM_BOUNDARY}--\r\n`

export function formBytes(parts: readonly (readonly [name: string, value: string | Buffer])[]): Buffer {
  const bytes = parts.flatMap(([name, value]) => [
    Buffer.from(partHead(name, Buffer.isBuffer(value) ? 'sound.wav' : undefined)),
    Buffer.from(value),
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...bytes, Buffer.from(FORM_END)])
}

/** A second of a tone, as a file that every stand-in can read. */
export function toneWav(seconds = 1): Buffer {
  const samples = Math.round(16_000 * seconds)
  const data = Buffer.alloc(samples * 2)
  for (let i = 0; i < samples; i += 1) data.writeInt16LE(Math.round(8_000 * Math.sin(i / 8)), i * 2)
  return Buffer.concat([wavHeader({ sampleRateHz: 16_000, samples }), data])
}
