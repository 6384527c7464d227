import type { ErrorShape } from '../http/index.ts'
import type { Right, Secret } from '../kernel/index.ts'

/** The languages that backends speak. */
export const DIALECTS = ['ollama', 'speak', 'a1111', 'asr', 'openai', 'anthropic', 'whispercpp', 'plain'] as const
export type DialectName = (typeof DIALECTS)[number]

/** What the carrier must know of whatever it carries to: a service of the gate, or an endpoint of a model. */
export interface Backend {
  readonly name: string
  readonly url: string
  readonly dialect: DialectName
  readonly deadlines: Deadlines
  /** Requests there at once; 0 is no limit. What is above waits in our own queue. */
  readonly concurrency: number
  readonly auth: { readonly header: string; readonly value: Secret } | null
  /** What becomes of a request whose caller has left: it is cancelled there, or read to its end and thrown away, for providers who charge for all of it. */
  readonly abort: 'cancel' | 'drain'
}

/** What a route does. `raw` is the same protocol on both sides: bytes pass untouched. */
export type OperationName = 'raw' | 'speech' | 'voices' | 'image' | 'simple-image' | 'image-models' | 'image-samplers' | 'transcribe'

/** What must be known of a body before it may pass. */
export type BodyPolicy = 'none' | 'stream' | 'ollama' | 'json'

/** One exact entry: what is not in a table does not reach a backend. */
export interface Route {
  readonly method: string
  /** Hono's pattern, prefix included; parameters only with a regular expression. */
  readonly path: string
  readonly right: Right
  readonly operation: OperationName
  readonly body: BodyPolicy
  /** The literal path on the backend, with `:name` where a parameter goes. Operations of a dialect know their own. */
  readonly upstream: string
  /** Whether the caller's query goes with it. */
  readonly query: boolean
  readonly bodyBytesMax: number
}

export interface Deadlines {
  readonly firstByteMs: number
  readonly idleMs: number
  readonly totalMs: number
}

export interface Service extends Backend {
  readonly enabled: boolean
  readonly prefix: string
  readonly routes: readonly Route[]
  readonly bodyBytesMax: number
  readonly allowCloudModels: boolean
  readonly errors: ErrorShape
}

/** A service as configuration gives it: its own routes are still text, and the built-in ones come from their table. */
export interface ServiceSettings extends Omit<Service, 'routes' | 'errors' | 'abort'> {
  readonly routeLines: readonly string[]
}
