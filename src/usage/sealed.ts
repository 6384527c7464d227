import { LIMITS, reasonOf } from '../kernel/index.ts'
import type { ContentsTable } from './tables.ts'
import type { Content, ContentSealer, KeptContent, UsageLog } from './types.ts'

const LENGTH_BYTES = 4

/** Prompt and answer as one, so that neither can be put in the place of the other. */
export function sealContent(sealer: ContentSealer, content: KeptContent, bytesMax: number): ContentsTable {
  const { request, atMs, promptBytes, answerBytes } = content
  const [prompt, answer] = [content.prompt.subarray(0, bytesMax), content.answer.subarray(0, bytesMax)]
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(prompt.length)
  const sealed = sealer.seal(Buffer.concat([length, prompt, answer]), request)
  return {
    request,
    time_ms: atMs,
    sealed,
    bytes: sealed.length,
    prompt_bytes: promptBytes ?? content.prompt.length,
    answer_bytes: answerBytes ?? content.answer.length,
  }
}

export function openContent(sealer: ContentSealer, row: ContentsTable): Content {
  // From another thread it comes as plain bytes.
  const { buffer, byteOffset, byteLength } = row.sealed
  const plain = sealer.open(Buffer.from(buffer, byteOffset, byteLength), row.request)
  const end = LENGTH_BYTES + plain.readUInt32BE(0)
  return {
    prompt: plain.subarray(LENGTH_BYTES, end),
    answer: plain.subarray(end),
    promptBytes: row.prompt_bytes,
    answerBytes: row.answer_bytes,
  }
}

/** What is on its way to the thread that keeps it. More than a bound of it is not sent: it must never be the reason that memory runs out. */
export class Outbox {
  readonly #log: UsageLog
  readonly #send: (row: ContentsTable) => void
  #bytes = 0
  #lost = 0

  constructor(log: UsageLog, send: (row: ContentsTable) => void) {
    this.#log = log
    this.#send = send
  }

  put(make: () => ContentsTable, bytes: number): void {
    if (this.#bytes + bytes > LIMITS.usageContentWaitingBytesMax) {
      this.#lose('too much waits for the disk')
      return
    }
    try {
      const row = make()
      this.#bytes += row.bytes
      this.#send(row)
    } catch (error) {
      this.#lose(reasonOf(error))
    }
  }

  arrived(bytes: number): void {
    this.#bytes = Math.max(0, this.#bytes - bytes)
    if (this.#lost === 0 || this.#bytes > 0) return
    this.#log.warn({ requests: this.#lost }, 'usage: what so many requests held was not kept; it is now again')
    this.#lost = 0
  }

  /** The thread was started anew: what it had been sent is gone. */
  reset(): void {
    this.#bytes = 0
  }

  #lose(reason: string): void {
    if (this.#lost === 0) this.#log.warn({ reason }, 'usage: what a request held is not kept')
    this.#lost += 1
  }
}
