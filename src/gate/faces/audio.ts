import { Readable } from 'node:stream'
import { type Audio, SOUND_HEAD_BYTES, soundRateOf } from '../../dialects/index.ts'
import { BUFFERED_BYTES, type FormFile, type FormReader } from './form.ts'

/** The first bytes of a file, gathered while it passes. */
export class Head {
  readonly #chunks: Buffer[] = []
  #bytes = 0

  add(chunk: Buffer): void {
    if (this.isWhole) return
    this.#chunks.push(chunk.subarray(0, SOUND_HEAD_BYTES - this.#bytes))
    this.#bytes += chunk.length
  }

  get isWhole(): boolean {
    return this.#bytes >= SOUND_HEAD_BYTES
  }

  get bytesPerSecond(): number {
    return soundRateOf(Buffer.concat(this.#chunks))
  }
}

/** The file of a form while it is still arriving, from when its first bytes have told what it is. */
export async function arrivingAudio(form: FormReader, file: FormFile): Promise<Audio> {
  const { begun, bytesPerSecond } = await beginningOf(file.stream)
  if (form.error !== null) throw form.error
  let bytes = 0
  const count = (chunk: Buffer): void => {
    bytes += chunk.length
  }
  return {
    filename: file.filename,
    contentType: file.contentType,
    size: null,
    get bytes() {
      return bytes
    },
    bytesPerSecond,
    between: (head, tail) => new FramedFile(form, file.stream, { head, begun, tail, count }),
  }
}

/** What is taken of a stream to see how it begins, which is all of a short one. */
function beginningOf(stream: Readable): Promise<{ readonly begun: readonly Buffer[]; readonly bytesPerSecond: number }> {
  const [begun, head]: [Buffer[], Head] = [[], new Head()]
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('data', onData).off('end', done).off('close', done)
      stream.pause()
      resolve({ begun, bytesPerSecond: head.bytesPerSecond })
    }
    const onData = (chunk: Buffer): void => {
      begun.push(chunk)
      head.add(chunk)
      if (head.isWhole) done()
    }
    stream.on('data', onData).on('end', done).on('close', done)
    if (stream.destroyed) done() // it may have been closed before anybody listened
  })
}

interface Frame {
  readonly head: Buffer
  /** What was taken of the file already. */
  readonly begun: readonly Buffer[]
  readonly tail: Buffer
  readonly count: (chunk: Buffer) => void
}

/** Takes the file no faster than the backend does. Destroyed with the form's error when that turns out wrong, and then the backend never sees its end. */
class FramedFile extends Readable {
  readonly #form: FormReader
  readonly #file: Readable
  readonly #frame: Frame
  #begun = false

  constructor(form: FormReader, file: Readable, frame: Frame) {
    super({ highWaterMark: BUFFERED_BYTES })
    this.#form = form
    this.#file = file
    this.#frame = frame
    this.on('error', () => {}) // while it waits for a place at the backend nobody else listens
    void form.over.then((error) => {
      if (this.destroyed) return
      if (error !== null) this.destroy(error)
      else this.#end()
    })
  }

  override _read(): void {
    if (this.#begun) {
      this.#file.resume()
      return
    }
    this.#begin()
    this.#file.on('data', this.#onData).resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#file.off('data', this.#onData)
    this.#form.abandon()
    callback(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#frame.count(chunk)
    if (!this.push(chunk)) this.#file.pause()
  }

  #begin(): void {
    this.#begun = true
    this.push(this.#frame.head)
    for (const chunk of this.#frame.begun) {
      this.#frame.count(chunk)
      this.push(chunk)
    }
  }

  /** A short file may have been taken to its end before anybody reads. */
  #end(): void {
    if (!this.#begun) this.#begin()
    this.push(this.#frame.tail)
    this.push(null)
  }
}
