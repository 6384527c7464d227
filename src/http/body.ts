import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { GatewayError, LIMITS, passed } from '../kernel/index.ts'
import type { Envelope } from './envelope.ts'
import { Pace } from './pace.ts'
import type { Share } from './room.ts'

/** The caller left while its body was still coming. There is nobody to answer; the ledger tells it apart from a wrong body. */
const incomplete = (incoming: IncomingMessage): GatewayError =>
  BROKEN.get(incoming) ?? new GatewayError('BODY_INCOMPLETE', { reason: 'the caller left before the body was whole' })

const BROKEN = new WeakMap<IncomingMessage, GatewayError>()

/** What comes is no body any more. Its connection is about to be cut, and whoever reads it, or is going to, shall then know why. */
export function breakBody(incoming: IncomingMessage, error: GatewayError): void {
  BROKEN.set(incoming, error)
}

const tooLarge = (max: number): GatewayError =>
  new GatewayError('BODY_TOO_LARGE', {
    detail: `The body is larger than the ${max} bytes this route takes`,
  })

/** Only now is the body wanted, so only now is `100 Continue` sent: a caller without a key never uploads. */
function welcome({ headers, outgoing }: Envelope): void {
  if (headers.expectContinue && !outgoing.headersSent) outgoing.writeContinue()
}

/**
 * What still comes of a body that nobody wants is read and dropped, because a caller who is still sending may look for the answer only when he has
 * sent it all; but not for long, since he could go on for ever.
 */
export function dropBody(incoming: IncomingMessage): void {
  if (incoming.complete || incoming.destroyed || DROPPED.has(incoming)) return
  DROPPED.add(incoming)
  let bytes = 0
  const stop = (): void => void incoming.socket.destroy()
  const timer = setTimeout(stop, LIMITS.unwantedBodyMsMax).unref()
  incoming.once('close', () => clearTimeout(timer))
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > LIMITS.unwantedBodyBytesMax) stop()
  })
  incoming.resume()
}

const DROPPED = new WeakSet<IncomingMessage>()

function roomFor({ length }: Buffer, room: Share): GatewayError | null {
  const full = room.take(length)
  return full === null ? null : new GatewayError('BODIES_FULL', { reason: full })
}

/** The whole body, for routes whose policy must read it. It takes room as it comes, and keeps it only if it comes whole. */
export function readBody(envelope: Envelope, bytesMax: number, room: Share): Promise<Buffer> {
  const { incoming, headers } = envelope
  if (headers.contentLength > bytesMax) return Promise.reject(tooLarge(bytesMax))
  // Who left while the key was being verified is told by no event any more.
  if (incoming.destroyed && !incoming.readableEnded) return Promise.reject(incomplete(incoming))
  welcome(envelope)
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = []
    const done = (error: GatewayError | null): void => {
      pace.end()
      incoming.off('data', onData).off('end', onEnd).off('close', onClose)
      if (error === null) resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, pace.bytes))
      else {
        chunks = []
        room.give(pace.bytes)
        dropBody(incoming)
        reject(error)
      }
    }
    const pace = new Pace(incoming, done)
    const onData = (chunk: Buffer): void => {
      const full = pace.bytes + chunk.length > bytesMax ? tooLarge(bytesMax) : roomFor(chunk, room)
      if (full !== null) {
        done(full)
        return
      }
      pace.bytes += chunk.length
      chunks.push(chunk)
    }
    const onEnd = (): void => done(null)
    const onClose = (): void => done(incomplete(incoming))
    incoming.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}

/**
 * The body as a stream for the carrier. Not the request itself, because whoever consumes a stream may destroy it, and with the
 * request would go the socket that the refusal is to be written to.
 */
export class Upload extends Readable {
  readonly #envelope: Envelope
  readonly #bytesMax: number
  /** Null until somebody wants it. */
  #pace: Pace | null = null
  #whole = false

  constructor(envelope: Envelope, bytesMax: number) {
    super({ highWaterMark: 256 * 1024 })
    if (envelope.headers.contentLength > bytesMax) throw tooLarge(bytesMax)
    this.#envelope = envelope
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#pace?.bytes ?? 0
  }

  override _read(): void {
    if (this.#pace === null) this.#start()
    this.#envelope.incoming.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#pace?.end()
    const { incoming } = this.#envelope
    incoming.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    dropBody(incoming)
    callback(error)
  }

  #start(): void {
    const { incoming } = this.#envelope
    this.#pace = new Pace(incoming, (error) => this.destroy(error))
    if (incoming.destroyed) {
      this.destroy(incomplete(incoming))
      return
    }
    welcome(this.#envelope)
    incoming.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose)
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#pace !== null) this.#pace.bytes += chunk.length
    passed(chunk.length)
    if (this.bytes > this.#bytesMax) this.destroy(tooLarge(this.#bytesMax))
    else if (!this.push(chunk)) this.#envelope.incoming.pause()
  }

  readonly #onEnd = (): void => {
    this.#whole = true
    this.#pace?.end()
    this.push(null)
  }

  /** A request closes as soon as its last byte is read, while the backend may still have to take what is buffered here. */
  readonly #onClose = (): void => {
    if (!this.#whole) this.destroy(incomplete(this.#envelope.incoming))
  }
}
