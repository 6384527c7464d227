import { afterString } from '../../http/index.ts'

const QUOTE = 0x22
const [OPEN, CLOSE] = [0x7b, 0x7d]

/** Whose `model` is the answer's own, when it is no outermost one: Anthropic's first event, and all of Responses'. */
const HOLDER = /"(?:message|response)"\s*:\s*$/
const HOLDER_BYTES = 16

/** Puts one name of a model where another stands, where an answer or one of its events says who made it: never within a text, nor in what a tool is given. */
export function renamer(from: string, to: string): ((bytes: Buffer) => Buffer) | null {
  if (from === to) return null
  const wanted = JSON.stringify(from)
  const spellings = [`"model":${wanted}`, `"model": ${wanted}`].map((text) => Buffer.from(text))
  const instead = Buffer.from(`"model":${JSON.stringify(to)}`)
  return (bytes) => spellings.reduce((done, spelling) => replaced(done, spelling, instead), bytes)
}

function replaced(bytes: Buffer, what: Buffer, instead: Buffer): Buffer {
  let at = bytes.indexOf(what)
  if (at === -1) return bytes
  const parts: Buffer[] = []
  const place = new Place(bytes)
  let from = 0
  for (; at !== -1; at = bytes.indexOf(what, at + what.length)) {
    if (!place.isOwn(at)) continue
    parts.push(bytes.subarray(from, at), instead)
    from = at + what.length
  }
  parts.push(bytes.subarray(from))
  return parts.length === 1 ? bytes : Buffer.concat(parts)
}

/** How deep in JSON a place is, found by one walk over all that stands before; between events the depth is none. */
class Place {
  readonly #bytes: Buffer
  #at = 0
  #depth = 0
  #holds = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  isOwn(at: number): boolean {
    while (this.#at < at) this.#step()
    return this.#depth === 1 || (this.#depth === 2 && this.#holds)
  }

  #step(): void {
    const byte = this.#bytes[this.#at]
    if (byte === QUOTE) {
      const after = afterString(this.#bytes, this.#at)
      this.#at = after === -1 ? this.#bytes.length : after
    } else {
      if (byte === OPEN) {
        this.#depth += 1
        if (this.#depth === 2) this.#holds = HOLDER.test(this.#bytes.toString('latin1', Math.max(0, this.#at - HOLDER_BYTES), this.#at))
      } else if (byte === CLOSE) this.#depth -= 1
      this.#at += 1
    }
  }
}
