import { Agent, request } from 'undici'
import type { VoiceView } from '../contract/index.ts'
import { type Clock, LIMITS, reasonOf } from '../kernel/index.ts'
import type { Endpoint } from './model.ts'

export interface VoicesParts {
  /** Those that speak, at this moment. */
  readonly endpoints: () => readonly Endpoint[]
  readonly pathOf: (endpoint: Endpoint) => string | null
  readonly read: (body: Buffer) => readonly VoiceView[] | null
  readonly clock: Clock
  readonly log: { warn(fields: object, message: string): void }
}

export interface Voices {
  /** Of all speech servers together, each name once. */
  list(): Promise<readonly VoiceView[]>
  close(): void
}

/**
 * The voices there are. Anybody may ask for them, so the backends are asked at most once a minute, however many do; who asks first waits for them, and all
 * others get what was known a moment ago.
 */
export function createVoices({ endpoints, pathOf, read, clock, log }: VoicesParts): Voices {
  const agent = new Agent({ connections: 2, connect: { timeout: LIMITS.probeMsMax } })
  let known: readonly VoiceView[] | null = null
  let askedMs = Number.NEGATIVE_INFINITY
  let asking: Promise<readonly VoiceView[]> | null = null

  const voicesAt = async (endpoint: Endpoint): Promise<readonly VoiceView[]> => {
    const path = pathOf(endpoint)
    if (path === null) return []
    try {
      const headers = endpoint.auth === null ? {} : { [endpoint.auth.header]: endpoint.auth.value.reveal() }
      const { statusCode, body } = await request(`${endpoint.url}${path}`, {
        dispatcher: agent,
        headers,
        headersTimeout: LIMITS.probeMsMax,
        bodyTimeout: LIMITS.probeMsMax,
      })
      const bytes = await upTo(body, LIMITS.voicesBytesMax)
      return statusCode === 200 ? (read(bytes) ?? []) : []
    } catch (error) {
      log.warn({ endpoint: endpoint.name, reason: reasonOf(error) }, 'a speech server did not tell its voices')
      return []
    }
  }

  const ask = async (): Promise<readonly VoiceView[]> => {
    askedMs = clock.monoMs()
    const lists = await Promise.all(endpoints().map(voicesAt))
    known = [...new Map(lists.flat().map((voice) => [voice.id, voice])).values()]
    return known
  }

  return {
    async list() {
      if (clock.monoMs() - askedMs >= LIMITS.voicesEveryMs) {
        asking ??= ask().finally(() => {
          asking = null
        })
      }
      return known ?? (await asking) ?? []
    },
    close: () => void agent.destroy(),
  }
}

async function upTo(body: AsyncIterable<Buffer>, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new Error(`more than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
