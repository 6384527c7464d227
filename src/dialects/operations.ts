import type { Readable } from 'node:stream'
import type { SimpleImageInput, SpeechFormat, TranscriptFormat } from '../contract/index.ts'
import type { Plan } from './plan.ts'

/** What faces ask for, in nobody's language. A dialect answers with the plan that says it in its own. */

export interface Speech {
  readonly text: string
  /** Null leaves the choice to the backend. */
  readonly voice: string | null
  /** A change of speed in percent; 0 is none. */
  readonly ratePercent: number
  readonly format: SpeechFormat
  readonly model: string | null
}

export interface ImageJob {
  /** The body as the caller wrote it, in AUTOMATIC1111's own fields. */
  readonly fields: Readonly<Record<string, unknown>>
  /** The name under which the backend runs the job, so that it can be told from everybody else's. */
  readonly taskId: string
  /** Holders of manage:image may run the backend's scripts, save on its disk and set its settings. */
  readonly mayManage: boolean
  /** What is drawn with, whatever is loaded; null leaves it to the fields. */
  readonly checkpoint: string | null
}

export interface SimpleImage extends SimpleImageInput {
  readonly taskId: string
  readonly as: 'json' | 'image'
  readonly mayManage: boolean
  /** Null draws with whatever is loaded. */
  readonly checkpoint: string | null
}

/** Pictures as OpenAI's clients ask for them, from words alone or from a picture. */
export interface PictureJob {
  readonly prompt: string
  readonly negativePrompt: string
  readonly n: number
  /** Null leaves the choice to the dialect, here and below. */
  readonly size: { readonly width: number; readonly height: number } | null
  readonly quality: string | null
  readonly steps: number | null
  readonly cfgScale: number | null
  readonly seed: number | null
  readonly sampler: string | null
  /** Null draws with whatever is loaded. */
  readonly checkpoint: string | null
  readonly taskId: string
  readonly nowMs: number
  readonly format: string | null
  readonly asUrl: boolean
  readonly streams: boolean
  readonly original: { readonly image: Buffer; readonly mask: Buffer | null; readonly strength: number | null } | null
}

/** The caller's recording, streaming in or put aside on disk. */
export interface Audio {
  readonly filename: string
  readonly contentType: string
  /** Known once it is on disk; a stream tells only at its end. */
  readonly size: number | null
  /** How much of it has come so far. */
  readonly bytes: number
  /** How many of them are about a second of it, by how it begins. */
  readonly bytesPerSecond: number
  /** The file framed for a backend. The tail is sent only when the caller's form came to its proper end, so that no backend takes half a form for a whole one. */
  between(head: Buffer, tail: Buffer): Readable
}

export interface Transcription {
  readonly audio: Audio
  /** Null lets the backend find out. */
  readonly language: string | null
  readonly task: 'transcribe' | 'translate'
  readonly prompt: string | null
  readonly temperature: number | null
  readonly format: TranscriptFormat
  readonly model: string | null
}

export interface Operations {
  speech(speech: Speech): Plan
  voices(): Plan
  image(job: ImageJob): Plan
  simpleImage(image: SimpleImage): Plan
  pictures(job: PictureJob): Plan
  imageModels(): Plan
  imageSamplers(): Plan
  transcribe(transcription: Transcription): Plan
}
