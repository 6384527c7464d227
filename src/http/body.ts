import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { GatewayError, LIMITS } from '../kernel/index.ts'
import type { Envelope } from './envelope.ts'

/** The caller left while its body was still coming. There is nobody to answer; the ledger tells it apart from a wrong body. */
const incomplete = (): GatewayError => new GatewayError('BODY_INCOMPLETE', { reason: 'the caller left before the body was whole' })

const tooLarge = (max: number): GatewayError =>
  new GatewayError('BODY_TOO_LARGE', {
    detail: `The body is larger than the ${max} bytes this route takes`,
  })

const tooSlow = (): GatewayError => new GatewayError('BODY_TOO_SLOW', { headers: { connection: 'close' } })

/** Only now is the body wanted, so only now is `100 Continue` sent: a caller without a key never uploads. */
function welcome({ headers, outgoing }: Envelope): void {
  if (headers.expectContinue && !outgoing.headersSent) outgoing.writeContinue()
}

/**
 * What still comes of a body that nobody wants is read and dropped, or the answer would wait behind it; but not for ever, since a caller
 * could send without end what was refused long ago.
 */
function throwAway(incoming: IncomingMessage): void {
  incoming.resume()
  if (incoming.complete || incoming.destroyed) return
  const timer = setTimeout(() => incoming.socket.destroy(), LIMITS.bodyIdleMsMax).unref()
  incoming.once('close', () => clearTimeout(timer))
}

/**
 * A body's pace: no silence longer than the idle limit, and after that much time an average above the floor. One coarse timer per
 * body; a timer per chunk would cost more than the chunk.
 */
function watchPace(incoming: IncomingMessage, received: () => number, fail: (error: GatewayError) => void): () => void {
  let seen = -1
  let ticks = 0
  let waitingTicks = 0
  const every = LIMITS.bodyIdleMsMax / 2
  const timer = setInterval(() => {
    ticks += 1
    const now = received()
    // A pause is ours (the backend is slow to take it), and does not count against the caller.
    if (incoming.isPaused()) {
      waitingTicks += 1
      return
    }
    const floor = ((ticks - waitingTicks) * every * LIMITS.bodyFloorBytesPerS) / 1_000
    if (now === seen || (ticks - waitingTicks >= 2 && now < floor)) fail(tooSlow())
    seen = now
  }, every)
  timer.unref()
  return () => clearInterval(timer)
}

/** The whole body, for routes whose policy must read it. */
export function readBody(envelope: Envelope, bytesMax: number): Promise<Buffer> {
  const { incoming, headers } = envelope
  if (headers.contentLength > bytesMax) return Promise.reject(tooLarge(bytesMax))
  // Who left while the key was being verified is told by no event any more.
  if (incoming.destroyed && !incoming.readableEnded) return Promise.reject(incomplete())
  welcome(envelope)
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = []
    let bytes = 0
    const done = (error: GatewayError | null): void => {
      stopWatch()
      incoming.off('data', onData).off('end', onEnd).off('close', onClose)
      if (error === null) resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, bytes))
      else {
        chunks = []
        throwAway(incoming)
        reject(error)
      }
    }
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes > bytesMax) done(tooLarge(bytesMax))
      else chunks.push(chunk)
    }
    const onEnd = (): void => done(null)
    const onClose = (): void => done(incomplete())
    const stopWatch = watchPace(incoming, () => bytes, done)
    incoming.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}

/**
 * The body as a stream for the carrier. Not the request itself, because whoever consumes a stream may destroy it, and with the
 * request would go the socket that the refusal is to be written to.
 */
export class Upload extends Readable {
  bytes = 0
  readonly #envelope: Envelope
  readonly #bytesMax: number
  #stopWatch: () => void = () => {}
  #started = false
  #whole = false

  constructor(envelope: Envelope, bytesMax: number) {
    super({ highWaterMark: 256 * 1024 })
    if (envelope.headers.contentLength > bytesMax) throw tooLarge(bytesMax)
    this.#envelope = envelope
    this.#bytesMax = bytesMax
  }

  override _read(): void {
    if (!this.#started) this.#start()
    this.#envelope.incoming.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#stopWatch()
    const { incoming } = this.#envelope
    incoming.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    throwAway(incoming)
    callback(error)
  }

  #start(): void {
    this.#started = true
    const { incoming } = this.#envelope
    if (incoming.destroyed) {
      this.destroy(incomplete())
      return
    }
    welcome(this.#envelope)
    incoming.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose)
    this.#stopWatch = watchPace(
      incoming,
      () => this.bytes,
      (error) => this.destroy(error),
    )
  }

  readonly #onData = (chunk: Buffer): void => {
    this.bytes += chunk.length
    if (this.bytes > this.#bytesMax) this.destroy(tooLarge(this.#bytesMax))
    else if (!this.push(chunk)) this.#envelope.incoming.pause()
  }

  readonly #onEnd = (): void => {
    this.#whole = true
    this.#stopWatch()
    this.push(null)
  }

  /** A request closes as soon as its last byte is read, while the backend may still have to take what is buffered here. */
  readonly #onClose = (): void => {
    if (!this.#whole) this.destroy(incomplete())
  }
}
