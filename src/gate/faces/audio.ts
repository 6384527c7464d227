import { Readable } from 'node:stream'
import type { Audio } from '../../dialects/index.ts'
import { BUFFERED_BYTES, type FormFile, type FormReader } from './form.ts'

/** The file of a form while it is still arriving. */
export function arrivingAudio(form: FormReader, file: FormFile): Audio {
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
    between: (head, tail) => new FramedFile(form, file.stream, { head, tail, count }),
  }
}

interface Frame {
  readonly head: Buffer
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
    this.#begun = true
    this.push(this.#frame.head)
    this.#file.on('data', this.#onData)
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

  #end(): void {
    this.push(this.#frame.tail)
    this.push(null)
  }
}
