import type { Call } from './serve.ts'
import { Refusal } from './serve.ts'

export type Fields = Readonly<Record<string, unknown>>

export async function readBytes({ req }: Call, bytesMax: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of req) {
    if (!Buffer.isBuffer(part)) throw new Error('a request body came as text')
    bytes += part.length
    if (bytes > bytesMax) throw new Refusal(413, { error: `a stand-in takes bodies of at most ${bytesMax} bytes` })
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** A JSON object, or null when it is anything else. */
export function parseFields(bytes: Buffer): Fields | null {
  try {
    return asFields(JSON.parse(bytes.toString('utf8')))
  } catch {
    return null
  }
}

export function asFields(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null // an object is a record of unknowns
}

export const asText = (value: unknown): string => (typeof value === 'string' ? value : '')
