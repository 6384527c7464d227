import { passed } from '../../kernel/index.ts'
import type { UpstreamRequest } from '../plan.ts'
import { cut, inPieces } from '../requests.ts'

/** Three bytes become four letters, so that the base64 of each part is a part of the base64 of all. */
const PART_BYTES = 3 * 64 * 1024

/** A picture that is to stand in a body as base64: by itself, or as the one of a list. */
export interface Pictured {
  readonly field: string
  readonly bytes: Buffer
  readonly inList: boolean
}

/** JSON with pictures in it, which become base64 only while they are sent: as a text a picture takes a third more than it is. */
export function picturedRequest(path: string, fields: Readonly<Record<string, unknown>>, pictures: readonly Pictured[]): UpstreamRequest {
  const front = Buffer.from(JSON.stringify(fields).slice(0, -1))
  const framed = pictures.map(({ field, bytes, inList }) => ({
    bytes,
    before: Buffer.from(`,${JSON.stringify(field)}:${inList ? '["' : '"'}`),
    after: Buffer.from(inList ? '"]' : '"'),
  }))
  const length = framed.reduce(
    (sum, { bytes, before, after }) => sum + before.length + base64Length(bytes) + after.length,
    front.length + 1,
  )
  function* pieces(): Generator<Buffer> {
    yield front
    for (const { bytes, before, after } of framed) {
      yield before
      for (const part of cut(bytes, PART_BYTES)) {
        yield Buffer.from(part.toString('base64'), 'latin1')
        passed(part.length)
      }
      yield after
    }
    yield CLOSE
  }
  const headers = { 'content-type': 'application/json', 'content-length': String(length) }
  return { method: 'POST', path, headers, body: inPieces(pieces()) }
}

const CLOSE = Buffer.from('}')
const base64Length = ({ length }: Buffer): number => Math.ceil(length / 3) * 4
