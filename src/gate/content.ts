/** What a request said and was told, as far as it is kept: only of keys whose owner wanted it, and only the beginning of what is long. */
export class KeptContent {
  readonly #bytesMax: number
  #prompt: Buffer = NOTHING
  readonly #answer: Buffer[] = []
  #answerBytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  asked(body: Buffer): void {
    this.#prompt = body.subarray(0, this.#bytesMax)
  }

  told(chunk: Buffer): void {
    const room = this.#bytesMax - this.#answerBytes
    if (room <= 0) return
    const part = chunk.subarray(0, room)
    this.#answer.push(part)
    this.#answerBytes += part.length
  }

  get prompt(): Buffer {
    return this.#prompt
  }

  get answer(): Buffer {
    return Buffer.concat(this.#answer)
  }
}

const NOTHING = Buffer.alloc(0)
