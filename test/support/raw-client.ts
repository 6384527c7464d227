import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const HEAD_END = '\r\n\r\n'

/** Sends requests exactly as given over one connection for as long as the server keeps it, and answers their statuses. */
export class RawClient {
  readonly #port: number
  #socket: Socket | null = null
  #buffer = ''
  #ended = false
  #wake: (() => void) | null = null

  constructor(port: number) {
    this.#port = port
  }

  /** The status of the answer; 0 where the connection ended without one. */
  async ask(bytes: string): Promise<number> {
    const socket = this.#socket !== null && !this.#ended ? this.#socket : await this.#open()
    this.#buffer = ''
    socket.write(bytes, 'latin1')
    const head = await this.#until(() => (this.#buffer.includes(HEAD_END) ? this.#buffer.indexOf(HEAD_END) : -1))
    if (head === -1) return 0
    const headers = this.#buffer.slice(0, head)
    const status = Number(headers.slice(9, 12))
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(headers)?.[1] ?? -1)
    const bodiless = bytes.startsWith('HEAD ') || status === 204 || status === 304
    const body = head + HEAD_END.length
    if (/\r\ntransfer-encoding: chunked/i.test(headers) && !bodiless) await this.#until(() => (this.#buffer.endsWith('0\r\n\r\n') ? 0 : -1))
    else if (length > 0 && !bodiless) await this.#until(() => (this.#buffer.length >= body + length ? 0 : -1))
    if (/\r\nconnection: close/i.test(headers) || length === -1) this.close()
    return status
  }

  close(): void {
    this.#socket?.destroy()
    this.#ended = true
  }

  async #open(): Promise<Socket> {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    this.#socket = socket
    this.#ended = false
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#buffer += text
      this.#wake?.()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.#socket === socket) this.#ended = true
      this.#wake?.()
    })
    await once(socket, 'connect')
    return socket
  }

  async #until(look: () => number): Promise<number> {
    for (;;) {
      const found = look()
      if (found !== -1 || this.#ended) return found
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
