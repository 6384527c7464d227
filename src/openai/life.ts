import type { Model, Models, Protocol } from '../catalog/index.ts'
import { passesThrough } from '../dialects/index.ts'
import type { LifeWords, Visit } from '../gate/index.ts'
import { LIMITS, type RequestId } from '../kernel/index.ts'

const COMMENT = Buffer.from(': keep-alive\n\n')
/** Anthropic's own way; its clients pass over it. */
const PING = Buffer.from('event: ping\ndata: {"type":"ping"}\n\n')

/** What a caller is told while its stream is silent. */
export function lifeOf(protocol: Protocol, everyMs: number, requestId: RequestId): LifeWords | null {
  if (everyMs === 0) return null
  return {
    everyMs,
    words: protocol === 'messages' ? PING : COMMENT,
    head: [
      'content-type',
      'text/event-stream; charset=utf-8',
      'cache-control',
      'no-cache',
      'x-accel-buffering',
      'no',
      'x-request-id',
      requestId,
    ],
  }
}

/** A field of a form that is switched on. */
export const isTrue = (value: unknown): boolean => typeof value === 'string' && /^(?:true|1|yes|on)$/i.test(value.trim())

interface MediaStream {
  readonly models: Pick<Models, 'find'>
  readonly model: Model
  readonly heartbeatMs: number
}

/**
 * Of pictures and transcripts that are asked for as a stream. Where one of those who may serve is translated for, it answers whole or not at all, and that
 * cannot be told once a stream was begun.
 */
export const mediaLifeOf = (protocol: Protocol, { models, model, heartbeatMs }: MediaStream, { envelope }: Visit): LifeWords | null =>
  passesEverywhere(models, model) ? lifeOf(protocol, heartbeatMs, envelope.id) : null

function passesEverywhere(models: Pick<Models, 'find'>, first: Model): boolean {
  let model: Model | undefined = first
  for (let count = 1; model !== undefined && count <= LIMITS.fallbacksMax; count += 1) {
    if (!model.places.every(({ endpoint }) => passesThrough(endpoint.dialect))) return false
    model = model.fallback === null ? undefined : models.find(model.fallback)
  }
  return true
}
