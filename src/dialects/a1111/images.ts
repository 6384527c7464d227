import { isRecord, jsonOf, rubbish } from '../fault.ts'
import type { LocalAnswer, WholeAnswer } from '../plan.ts'
import { localJson } from '../requests.ts'

/** The picture of an answer by itself, or with what is known of it: what `/generate/simple` gives. */
export const oneImageOf =
  (as: 'json' | 'image', steps: number) =>
  (answer: WholeAnswer): LocalAnswer => {
    const made = jsonOf(answer.body.toString('utf8'))
    const first = isRecord(made) && Array.isArray(made.images) ? made.images[0] : undefined
    if (!isRecord(made) || typeof first !== 'string' || first === '') throw rubbish('no picture in its answer')
    const base64 = first.replace(/^data:[^,]*,/, '')
    const units = { images: 1, steps }
    if (as === 'json') {
      return localJson({ image: base64, parameters: isRecord(made.parameters) ? made.parameters : {}, info: infoOf(made.info) }, units)
    }
    const bytes = Buffer.from(base64, 'base64')
    const contentType = contentTypeOf(bytes)
    if (contentType === null) throw rubbish('its picture is none')
    return { status: 200, headers: { 'content-type': contentType, 'cache-control': 'no-store' }, body: bytes, units }
  }

/** A JSON text in a JSON text; stable-diffusion.cpp leaves it empty. */
function infoOf(info: unknown): Readonly<Record<string, unknown>> {
  if (isRecord(info)) return info
  if (typeof info !== 'string' || info.trim() === '') return {}
  const parsed = jsonOf(info)
  return isRecord(parsed) ? parsed : { text: info }
}

/** The backend's settings choose the format, so the bytes are asked. */
const MAGIC: readonly (readonly [contentType: string, at: number, mark: string])[] = [
  ['image/png', 0, '\x89PNG\r\n\x1a\n'],
  ['image/jpeg', 0, '\xff\xd8\xff'],
  ['image/webp', 8, 'WEBP'],
  ['image/avif', 4, 'ftypavif'],
  ['image/gif', 0, 'GIF8'],
]

const contentTypeOf = (bytes: Buffer): string | null =>
  MAGIC.find(([, at, mark]) => bytes.toString('latin1', at, at + mark.length) === mark)?.[0] ?? null
