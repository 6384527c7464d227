import type { Allowance, Capability, EndpointId, ModelId, Price, TenantId } from '../kernel/index.ts'
import type { Backend, DialectName } from './service.ts'

/** What an endpoint can be asked over the /v1 face; each is a route of it, and none is translated into another. */
export const PROTOCOLS = [
  'chat',
  'completions',
  'embeddings',
  'responses',
  'messages',
  'speech',
  'transcriptions',
  'translations',
  'images',
  'edits',
] as const
export type Protocol = (typeof PROTOCOLS)[number]

const SPOKEN: Readonly<Record<DialectName, readonly Protocol[]>> = {
  ollama: ['chat', 'completions', 'embeddings', 'responses', 'messages'],
  openai: ['chat', 'completions', 'embeddings', 'responses', 'speech', 'transcriptions', 'translations', 'images', 'edits'],
  anthropic: ['messages'],
  speak: ['speech'],
  a1111: ['images', 'edits'],
  asr: ['transcriptions', 'translations'],
  whispercpp: ['transcriptions', 'translations'],
  plain: [],
}

/** What a dialect speaks when nobody says otherwise. */
export const protocolsOf = (dialect: DialectName): readonly Protocol[] => SPOKEN[dialect]

/** An endpoint's id, or the name of a service of the gate: those have no row, and are the same at every start. */
export type EndpointRef = EndpointId | `builtin:${string}`

/** A place where models are served. The four services of the gate are endpoints too, named `builtin:<service>` and not to be edited. */
export interface Endpoint extends Backend {
  readonly ref: EndpointRef
  readonly tenant: TenantId
  /** What stands between its url and the path of a protocol: `/v1`, or nothing where the url has a version of its own, as `…/v1beta/openai` does. */
  readonly apiRoot: string
  readonly speaks: ReadonlySet<Protocol>
  readonly limits: Allowance
  /** Lower is asked first. */
  readonly priority: number
  /** Whether the models that it lists appear by themselves. */
  readonly discover: boolean
  /** Whether those that it only passes on to somebody else do so too; Ollama's cloud is one. */
  readonly cloudModels: boolean
  /** Whether a caller may name what is fetched from elsewhere, or kept at the provider for all who use the account. */
  readonly remote: 'refuse' | 'allow'
  readonly active: boolean
}

/** A model at one of its endpoints. */
export interface Place {
  readonly endpoint: Endpoint
  /** Its name there; null where the backend has no models to choose from. */
  readonly upstream: string | null
}

export interface Model {
  /** Null for one that appeared by itself: it has no row, and its name is its id. */
  readonly id: ModelId | null
  readonly tenant: TenantId
  /** The public id, as callers write it. */
  readonly name: string
  readonly capability: Capability
  readonly price: Price
  readonly limits: Allowance
  /** Active endpoints only, those that are asked first standing first. */
  readonly places: readonly Place[]
  readonly fallback: string | null
  /** Fields that a request gets where it does not say them itself. */
  readonly options: Readonly<Record<string, unknown>>
  readonly createdMs: number
  readonly active: boolean
}

/** The models there are at this moment, in memory. */
export interface Models {
  /** Another after every change of anything here. */
  readonly version: number
  /** Waits until models that a change of endpoints has made old were made anew, with turns for others between them; who does not wait has all of them made at once. */
  settled(): Promise<void>
  /** Active ones only. */
  find(name: string): Model | undefined
  /** Active ones, by name. */
  list(): readonly Model[]
  /**
   * The model that somebody means who names it as an endpoint does: the faces of the gate's own services speak so. One that is not active only where no active
   * one is there: it was switched off, which is not the same as never heard of.
   */
  at(endpoint: EndpointRef, upstream: string | null): Model | undefined
  /** All that stand at an endpoint, those that are switched off too. */
  standing(endpoint: EndpointRef): readonly Model[]
  /** All of them, those that are switched off too. */
  endpoints(): readonly Endpoint[]
}
