import type { Readable } from 'node:stream'
import type { Units } from '../contract/index.ts'
import type { GatewayError } from '../kernel/index.ts'

/** What is sent to a backend. Its address is the service's; nothing here, and nothing the caller sends, can name another. */
export interface UpstreamRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | Readable | null
}

/** An answer that was collected because it must be read before it can be passed on. */
export interface WholeAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: Buffer
  /** When to come again, as the backend says it. */
  readonly retryAfter?: string | undefined
}

export interface LocalAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | string
  readonly units?: Units
  readonly estimated?: true
}

/** What a stream said of itself while it passed. */
export interface StreamReport {
  readonly units?: Units
  readonly estimated?: true
  /** False when the stream's own grammar says that more should have come: then its clean end is a death. */
  readonly finished: boolean
  /** The backend said in band that it failed. */
  readonly failed: boolean
}

/** Looks at chunks as they pass. It may keep a reference, and costs a stream no time. */
export interface StreamReader {
  /** What of it goes on now: the chunk itself, but where the stream's grammar asks for more. */
  chunk(chunk: Buffer): Buffer
  /** What was held back, when the backend has ended. */
  rest?(): Buffer
  /** Whether what went on so far ends between two events; absent where there are none. */
  readonly atBoundary?: boolean
  /** The last event has passed: whatever the connection does now, the stream is whole. */
  readonly isWhole?: boolean
  report(): StreamReport
}

/** How to stop a job that goes on when the connection is closed; only ever ours. */
export interface Interrupt {
  readonly progress: UpstreamRequest
  isOurs(answer: WholeAnswer): boolean
  /** Nothing is at work there at all, so neither is ours. */
  isIdle(answer: WholeAnswer): boolean
  readonly stop: UpstreamRequest
}

/** An operation in a backend's language: the request, and how to read its answer. */
export interface Plan {
  readonly request: UpstreamRequest
  /** Known before an answer comes, such as the characters of a text to speak; counted once an answer is passed on. */
  readonly units?: Units
  /** For answers that pass untouched. */
  readonly reader?: (status: number, contentType: string) => StreamReader | null
  /** For answers that are translated; only called below status 400 when `fault` is given, always otherwise. */
  readonly reshape?: (answer: WholeAnswer) => LocalAnswer
  /** Which content types `reshape` is for; without it, all. The others pass. */
  readonly reshapes?: (contentType: string) => boolean
  /** What a status of 400 and above means, or a content type that may not pass. Without it such answers pass untouched. */
  readonly fault?: (answer: WholeAnswer) => GatewayError
  /** Which content types may pass below status 400; `fault` judges the others, such as an error told with status 200. */
  readonly passes?: (contentType: string) => boolean
  /** Replaces the content type of an answer that passes untouched, where the backend mislabels it. */
  readonly contentType?: string
  readonly interrupt?: Interrupt
}
