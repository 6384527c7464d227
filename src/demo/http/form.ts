import { Busboy, type BusboyInstance } from '@fastify/busboy'
import { type Call, Refusal } from './serve.ts'

export interface Upload {
  readonly name: string
  /** The beginning of the file; all of it when it is not very large. */
  readonly bytes: Buffer
  readonly totalBytes: number
}

export interface Form {
  readonly files: ReadonlyMap<string, Upload>
  readonly fields: ReadonlyMap<string, string>
}

const KEPT_BYTES_MAX = 16 * 1024 * 1024
const EMPTY: Form = { files: new Map(), fields: new Map() }

/** A multipart body; empty when the body is of another kind. Of a large file only the first 16 MiB are kept, the rest is counted. */
export function readForm({ req, left }: Call): Promise<Form> {
  const type = req.headers['content-type'] ?? ''
  if (!/^multipart\/form-data/i.test(type)) {
    req.resume()
    return Promise.resolve(EMPTY)
  }
  const files = new Map<string, Upload>()
  const fields = new Map<string, string>()
  return new Promise((resolve, reject) => {
    const form = parserFor(type)
    const unreadable = (): void => {
      req.unpipe()
      req.resume()
      reject(new Refusal(400, { detail: 'There was an error parsing the body' }))
    }
    if (form === null) return unreadable()
    form.on('file', (part, stream, name) => {
      const kept: Buffer[] = []
      let totalBytes = 0
      stream.on('data', (chunk: Buffer) => {
        if (totalBytes < KEPT_BYTES_MAX) kept.push(chunk)
        totalBytes += chunk.length
      })
      stream.on('end', () => files.set(part, { name, bytes: Buffer.concat(kept), totalBytes }))
    })
    form.on('field', (name, value) => fields.set(name, value))
    form.on('finish', () => resolve({ files, fields }))
    form.on('error', unreadable)
    left.addEventListener('abort', () => reject(left.reason))
    req.pipe(form)
  })
}

/** Busboy throws where a boundary is missing. */
function parserFor(type: string): BusboyInstance | null {
  try {
    return new Busboy({ headers: { 'content-type': type } })
  } catch {
    return null
  }
}
