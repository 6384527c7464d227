import type { Protocol } from '../catalog/index.ts'
import type { LifeWords } from '../gate/index.ts'
import type { RequestId } from '../kernel/index.ts'

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
