export interface Kept {
  readonly prompt: Buffer
  readonly answer: Buffer
  readonly promptBytes: number
  readonly answerBytes: number
}

/** What a request said and was told, as far as it is kept: only of keys whose owner wanted it, and only the beginning of what is long. */
export class KeptContent {
  readonly #bytesMax: number
  #prompt: Buffer = NOTHING
  readonly #answer: Buffer[] = []
  #keptBytes = 0
  #promptBytes = 0
  #answerBytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  asked(body: Buffer): void {
    this.#promptBytes = body.length
    this.#prompt = body.subarray(0, this.#bytesMax)
  }

  told(chunk: Buffer): void {
    this.#answerBytes += chunk.length
    const room = this.#bytesMax - this.#keptBytes
    if (room <= 0) return
    const part = chunk.subarray(0, room)
    this.#answer.push(part)
    this.#keptBytes += part.length
  }

  /** What is kept of both, and how long they were. */
  all(): Kept {
    return {
      prompt: this.#prompt,
      answer: Buffer.concat(this.#answer),
      promptBytes: this.#promptBytes,
      answerBytes: this.#answerBytes,
    }
  }
}

const NOTHING = Buffer.alloc(0)
