import type { Audio } from '../../dialects/index.ts'
import { arrivingAudio, Head } from './audio.ts'
import type { FormReader } from './form.ts'
import type { Spool } from './spool.ts'

/** The recording of a form, and what to do when nobody takes it. */
export interface FormAudio {
  readonly audio: Audio
  letGo(): void
}

/**
 * As it arrives, where the options came first. They may also follow the file, and some backends want them before it: then it waits on disk until the form is
 * whole.
 */
export async function formAudio(form: FormReader, spool: Spool, caller: string): Promise<FormAudio> {
  try {
    const file = await form.begun
    if (form.error !== null) throw form.error
    if (form.optionsCameFirst) return { audio: await arrivingAudio(form, file), letGo: () => form.abandon() }
    const { filename, contentType, stream } = file
    const head = new Head()
    const spooled = await spool.keep(caller, watched(stream, head)).catch((error: unknown) => {
      throw form.error ?? error
    })
    const error = await form.over
    if (error !== null) {
      spooled.letGo()
      throw error
    }
    const { bytes, between, letGo } = spooled
    return { audio: { filename, contentType, size: bytes, bytes, bytesPerSecond: head.bytesPerSecond, between }, letGo }
  } catch (error) {
    form.abandon()
    throw error
  }
}

async function* watched(source: AsyncIterable<Buffer>, head: Head): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    head.add(chunk)
    yield chunk
  }
}
