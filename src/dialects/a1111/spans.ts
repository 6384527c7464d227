import { afterString, scanObject, type TopLevelKey } from '../../http/index.ts'

const QUOTE = 0x22
const [OBJECT, OBJECT_END, LIST, LIST_END] = [0x7b, 0x7d, 0x5b, 0x5d]

/**
 * The pictures of an answer as they are written in it, without a `data:` before them; none where it is no object. As texts 80 MB of them would be parsed,
 * copied and written anew, and nobody else has a turn until that is done.
 */
export function pictureSpans(body: Buffer): readonly Buffer[] {
  const list = keysOf(body).findLast(({ name }) => name === 'images') // the last of two is what counts elsewhere
  return list === undefined ? [] : stringsOf(body, list).map(withoutFront)
}

function keysOf(body: Buffer): readonly TopLevelKey[] {
  try {
    return scanObject(body)
  } catch {
    return []
  }
}

/** The texts of a list, and not what stands within its other items. */
function stringsOf(body: Buffer, { start, end }: TopLevelKey): readonly Buffer[] {
  const strings: Buffer[] = []
  if (body[start] !== LIST) return strings
  let depth = 0
  for (let at = start; at < end; at += 1) {
    const byte = body[at]
    if (byte === QUOTE) {
      const after = afterString(body, at)
      if (depth === 1) strings.push(body.subarray(at + 1, after - 1))
      at = after - 1
    } else if (byte === LIST || byte === OBJECT) depth += 1
    else if (byte === LIST_END || byte === OBJECT_END) depth -= 1
  }
  return strings
}

const FRONT = /^data:[^,]*,/
const FRONT_BYTES_MAX = 256

function withoutFront(picture: Buffer): Buffer {
  const front = FRONT.exec(picture.toString('latin1', 0, FRONT_BYTES_MAX))?.[0] ?? ''
  return picture.subarray(front.length)
}
