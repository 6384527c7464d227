import { isRecord, jsonOf, rubbish } from '../fault.ts'
import type { LocalAnswer, WholeAnswer } from '../plan.ts'
import { unitsIn } from './usage.ts'

const EMBEDDING = /"embedding"\s*:\s*(["[])/

/**
 * An answer with vectors as they were asked for. OpenAI's clients always ask for base64 and read lists of numbers as empty vectors, without a word; older
 * backends know only lists. An answer in the right form already is not parsed.
 */
export const embeddingsAs =
  (format: 'float' | 'base64', rename: ((bytes: Buffer) => Buffer) | null) =>
  (answer: WholeAnswer): LocalAnswer => {
    const units = unitsIn(answer.body) ?? {}
    const body = inFormat(answer.body, format)
    return {
      status: answer.status,
      headers: { 'content-type': 'application/json' },
      body: rename === null ? body : rename(body),
      ...(Object.keys(units).length > 0 && { units }),
    }
  }

function inFormat(body: Buffer, format: 'float' | 'base64'): Buffer {
  const mark = EMBEDDING.exec(body.toString('latin1', 0, HEAD_BYTES))?.[1]
  if (mark === (format === 'base64' ? '"' : '[')) return body
  const json = jsonOf(body.toString('utf8'))
  if (!isRecord(json) || !Array.isArray(json.data)) throw rubbish('no vectors in its answer')
  const data = json.data.map((entry: unknown) => {
    if (!isRecord(entry)) throw rubbish('what it calls a vector is none')
    return { ...entry, embedding: format === 'base64' ? packed(entry.embedding) : unpacked(entry.embedding) }
  })
  return Buffer.from(JSON.stringify({ ...json, data }))
}

/** The first vector begins within them, whatever stands before it. */
const HEAD_BYTES = 4_096

/** Little-endian 32-bit floats, as numpy writes them. */
function packed(vector: unknown): string {
  if (typeof vector === 'string') return vector
  if (!Array.isArray(vector)) throw rubbish('what it calls a vector is none')
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [at, value] of vector.entries()) bytes.writeFloatLE(Number(value), at * 4)
  return bytes.toString('base64')
}

function unpacked(vector: unknown): readonly unknown[] {
  if (Array.isArray(vector)) return vector
  if (typeof vector !== 'string') throw rubbish('what it calls a vector is none')
  const bytes = Buffer.from(vector, 'base64')
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_none, at) => bytes.readFloatLE(at * 4))
}
