import type { Socket } from 'node:net'

const HEAD_END = Buffer.from('\r\n\r\n')
const LINE_END = Buffer.from('\r\n')

/** The peer went away in the middle of something. */
export class PeerLeft extends Error {
  override readonly name = 'PeerLeft'
}

/** Bytes of a socket, read only when somebody asks: what nobody asks for stays in the kernel, and the peer feels it. */
export class Wire {
  readonly #socket: Socket
  #buffer: Buffer = Buffer.alloc(0)
  #ended = false
  #watching = false
  #wake: (() => void) | null = null

  constructor(socket: Socket) {
    this.#socket = socket
    socket.pause()
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
      this.#stir()
    })
    for (const event of ['end', 'error', 'close'] as const) {
      socket.on(event, () => {
        this.#ended = true
        this.#stir()
      })
    }
  }

  /** Reads on without being asked, or stops doing so. Only a socket that is read tells that its peer has left. */
  watch(on: boolean): void {
    this.#watching = on
    if (on) this.#socket.resume()
    else if (this.#wake === null) this.#socket.pause()
  }

  /** A request's line and headers with the empty line; null when the peer ends before another request. */
  head(): Promise<Buffer | null> {
    return this.#upTo(HEAD_END)
  }

  async line(): Promise<string> {
    const line = await this.#upTo(LINE_END)
    if (line === null) throw new PeerLeft('within a chunked body')
    return line.toString('latin1', 0, line.length - 2)
  }

  /** At least one byte and at most `max`. */
  async some(max: number): Promise<Buffer> {
    while (this.#buffer.length === 0) await this.#more()
    const part = this.#buffer.subarray(0, max)
    this.#buffer = this.#buffer.subarray(part.length)
    return part
  }

  async #upTo(mark: Buffer): Promise<Buffer | null> {
    for (;;) {
      const at = this.#buffer.indexOf(mark)
      if (at >= 0) {
        const part = this.#buffer.subarray(0, at + mark.length)
        this.#buffer = this.#buffer.subarray(part.length)
        return part
      }
      if (this.#ended) return null
      await this.#more()
    }
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new PeerLeft('nothing more comes')
    this.#socket.resume()
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  #stir(): void {
    const wake = this.#wake
    this.#wake = null
    if (!this.#watching && !this.#ended) this.#socket.pause()
    wake?.()
  }
}
