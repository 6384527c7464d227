import { type Behaviour, type HostileOptions, type HostileUpstream, hostileUpstream, type SeenRequest } from '../hostile.ts'
import { chat } from './chat.ts'
import { detailFault, openaiFault } from './faults.ts'
import { edits, images, speech, transcribe } from './media.ts'
import { responses } from './responses.ts'
import { completions, embeddings, models } from './texts.ts'

export interface OpenaiBackendOptions extends HostileOptions {
  /** What it lists; null is a list that is null. */
  readonly models?: readonly string[] | null
  /** The bearer key it wants. */
  readonly apiKey?: string
}

export interface OpenaiBackend extends Pick<HostileUpstream, 'url' | 'port' | 'sockets' | 'faults' | 'connections' | 'close'> {
  /** What to give a client as its base URL. */
  readonly baseUrl: string
  /** What was asked of its models, in order: each with its headers, its body, and when its caller left. Questions after lists and health are not among them. */
  readonly asked: readonly SeenRequest[]
  readonly last: SeenRequest
  /** What it does from now on to whatever is asked of its models. */
  behave(next: Behaviour): void
  choose(next: (seen: SeenRequest, nth: number) => Behaviour | null): void
  /** Well-behaved again, with nothing remembered. */
  forget(): void
}

export async function openaiBackend(options: OpenaiBackendOptions = {}): Promise<OpenaiBackend> {
  const { models: listed = ['scripted', 'org/model:7b'], apiKey, ...host } = options
  let asked: SeenRequest[] = []
  let choose: (seen: SeenRequest, nth: number) => Behaviour | null = () => null
  const good = goodAnswers(listed)
  const upstream = await hostileUpstream(
    (seen) => {
      const [path = ''] = seen.target.split('?')
      if (apiKey !== undefined && seen.header('authorization') !== `Bearer ${apiKey}`)
        return openaiFault(401, 'Unauthorized', 'invalid_api_key')
      const known = good[`${seen.method} ${path}`] ?? detailFault(404, 'Not Found')
      if (seen.method !== 'POST') return known
      asked.push(seen)
      return choose(seen, asked.length) ?? known
    },
    { bodyBytesKept: 4 * 1024 * 1024, ...host },
  )
  const { url, port, sockets, faults } = upstream
  return {
    url,
    port,
    sockets,
    faults,
    baseUrl: `${url}/v1`,
    get connections() {
      return upstream.connections
    },
    get asked() {
      return asked
    },
    get last() {
      const seen = asked.at(-1)
      if (seen === undefined) throw new Error('nothing was asked of the backend')
      return seen
    },
    behave(next) {
      choose = () => next
    },
    choose(next) {
      choose = next
    },
    forget() {
      asked = []
      choose = () => null
    },
    close: () => upstream.close(),
  }
}

const goodAnswers = (listed: readonly string[] | null): Readonly<Record<string, Behaviour>> => ({
  'GET /v1/models': models(listed),
  'GET /health': models([]),
  'POST /v1/chat/completions': chat(),
  'POST /v1/completions': completions(),
  'POST /v1/embeddings': embeddings(),
  'POST /v1/responses': responses(),
  'POST /v1/audio/speech': speech(),
  'POST /v1/audio/transcriptions': transcribe('transcribe'),
  'POST /v1/audio/translations': transcribe('translate'),
  'POST /v1/images/generations': images(),
  'POST /v1/images/edits': edits(),
})
