import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect } from 'vitest'
import { call } from './caller.ts'
import { type Program, portcullis, type Scratch, scratch, startPortcullis } from './program.ts'
import { type Listening, listen } from './server.ts'
import { toolOrThrow } from './tools.ts'
import { until } from './until.ts'

const CONNECTIONS_PER_ADDRESS = 90
export const RUSH_CALLERS = 32

export interface StreamWanted {
  readonly path: string
  readonly body: string
  /** What is heard once it has begun. */
  readonly heard: string
}

/** The built gateway as people run it, in a process of its own, whose memory is watched from outside. */
export class MemoryHouse {
  readonly backend: Listening
  readonly port: number
  readonly key: string
  /** The owner's socket. */
  readonly socketPath: string
  readonly #gate: Program
  readonly #place: Scratch
  readonly #service: string

  private constructor(backend: Listening, gate: Program, place: Scratch, port: number, key: string, service: string) {
    this.backend = backend
    this.#gate = gate
    this.#place = place
    this.port = port
    this.key = key
    this.#service = service
    this.socketPath = join(place.dir, 'data', 'portcullis.sock')
  }

  /** `service` is the one whose requests in flight are counted. */
  static async open(serve: RequestListener, service: string, over: Readonly<Record<string, string>> = {}): Promise<MemoryHouse> {
    const backend = await listen(createServer(serve))
    const place = scratch('memory')
    const off = { TTS_ENABLED: 'false', IMAGE_ENABLED: 'false', WHISPER_ENABLED: 'false' }
    // As the program's own first line sets it, which starting it by `node` leaves out.
    const own = { PORT: '0', LOG_LEVEL: 'info', OLLAMA_URL: backend.url, MALLOC_TRIM_THRESHOLD_: '1048576' }
    const env = { ...place.env, ...off, ...own, ...over }
    const gate = startPortcullis(['serve'], { env })
    const port = Number((await gate.said(/listening on http:\/\/127\.0\.0\.1:(\d+)/))[1])
    const made = await portcullis(['key', 'generate', '-u', 'memory', '-s', 'all,manage:chat', '--concurrency', '0'], { env })
    const key = made.out.trim()
    expect(key).toMatch(/^pcl_/)
    return new MemoryHouse(backend, gate, place, port, key, service)
  }

  async close(): Promise<void> {
    this.#gate.signal('SIGTERM')
    const { status } = await this.#gate.ended
    await this.backend.close()
    this.#place.remove()
    expect(status).toBe(0)
  }

  #statusOf(field: string): number {
    const text = readFileSync(`/proc/${this.#gate.pid}/status`, 'utf8')
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) / 1024
  }

  rssMiB(): number {
    return this.#statusOf('VmRSS')
  }

  /** The kernel's own count, which misses no peak. */
  peakMiB(): number {
    return this.#statusOf('VmHWM')
  }

  forgetPeak(): void {
    writeFileSync(`/proc/${this.#gate.pid}/clear_refs`, '5')
  }

  async inFlight(): Promise<number> {
    const { body } = await call(this.port, { path: '/metrics' })
    return Number(new RegExp(`^portcullis_in_flight\\{service="${this.#service}"\\} (\\d+)$`, 'm').exec(body)?.[1])
  }

  settled(): Promise<boolean> {
    return until(async () => (await this.inFlight()) === 0, { withinMs: 15_000, what: 'every request to have its end' })
  }

  /** A stream that has begun, from one of as many addresses of this machine as it takes. */
  async openStream(n: number, { path, body, heard }: StreamWanted): Promise<Socket> {
    const localAddress = `127.0.7.${1 + Math.floor(n / CONNECTIONS_PER_ADDRESS)}`
    const socket = connect({ port: this.port, host: '127.0.0.1', localAddress })
    socket.setEncoding('latin1').on('error', () => {})
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: gate\r\nx-api-key: ${this.key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    let seen = ''
    const hear = (text: string): void => {
      seen += text
    }
    socket.on('data', hear)
    await until(() => seen.includes(heard) || socket.destroyed, { withinMs: 30_000, what: 'a stream to begin' })
    expect(seen.slice(0, 12)).toBe('HTTP/1.1 200')
    socket.off('data', hear).resume()
    return socket
  }

  /** So many requests at least, in slices, because wrk counts time and not requests. `lua` sets what is asked; the key is set already. */
  async rush(atLeast: number, path: string, lua: string, sliceS = 2): Promise<number> {
    const wrk = toolOrThrow('wrk')
    const script = `${this.#place.dir}/rush.lua`
    writeFileSync(
      script,
      `wrk.method = 'POST'
wrk.headers['x-api-key'] = os.getenv('RUSH_KEY')
wrk.headers['content-type'] = 'application/json'
${lua}
function done(s) local e = s.errors
  io.write(string.format('DONE %d %d\\n', s.requests, e.connect + e.read + e.write + e.status + e.timeout)) end
`,
    )
    let answered = 0
    for (let slices = 0; answered < atLeast; slices += 1) {
      if (slices > atLeast / 100) throw new Error(`only ${answered} requests in ${slices} slices`)
      const args = [...wrk.args, '-t1', `-c${RUSH_CALLERS}`, `-d${sliceS}s`, '-s', script, `http://127.0.0.1:${this.port}${path}`]
      const child = spawn(wrk.path, args, { env: { ...wrk.env, RUSH_KEY: this.key }, stdio: ['ignore', 'pipe', 'inherit'] })
      let out = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out += text
      })
      await once(child, 'close')
      const [, requests, failed] = /^DONE (\d+) (\d+)$/m.exec(out) ?? []
      expect({ failed, out: requests === undefined ? out : '' }).toEqual({ failed: '0', out: '' })
      answered += Number(requests)
    }
    return answered
  }
}
