import { a1111Answer } from './hostile/backends.ts'
import { answer, type Behaviour, type HostileUpstream, hostileUpstream, json, MP3_BYTES, type SeenRequest } from './hostile.ts'

/** One server in the place of all whose protocols are not those of /v1. */
export interface TranslatedBackend extends Pick<HostileUpstream, 'url' | 'port' | 'faults' | 'close'> {
  readonly asked: readonly SeenRequest[]
  readonly last: SeenRequest
  behave(next: Behaviour): void
  forget(): void
}

/** Dialects that are translated to, each with the way to ask of `v1-asks` that is served so. */
export const TRANSLATED = [
  ['speak', 'speech'],
  ['a1111', 'a picture'],
  ['a1111', 'a picture over another'],
  ['asr', 'a transcript'],
  ['whispercpp', 'a translation'],
] as const

const SAID = { text: 'Hello there.', language: 'en', segments: [{ id: 0, start: 0, end: 1, text: 'Hello there.' }] }
const GOOD: Readonly<Record<string, Behaviour>> = {
  '/speak': answer(200, MP3_BYTES, { 'content-type': 'audio/mpeg' }),
  '/sdapi/v1/txt2img': answer(200, a1111Answer(), { 'content-type': 'application/json' }),
  '/sdapi/v1/img2img': answer(200, a1111Answer(), { 'content-type': 'application/json' }),
  '/asr': answer(200, JSON.stringify(SAID), { 'content-type': 'text/plain; charset=utf-8' }), // as it does
  '/inference': json(SAID),
}

export async function translatedBackend(): Promise<TranslatedBackend> {
  let asked: SeenRequest[] = []
  let behaviour: Behaviour | null = null
  const upstream = await hostileUpstream((seen) => {
    const known = GOOD[seen.target.split('?')[0] ?? '']
    if (known === undefined) return answer(404)
    asked.push(seen)
    return behaviour ?? known
  })
  const { url, port, faults } = upstream
  return {
    url,
    port,
    faults,
    get asked() {
      return asked
    },
    get last() {
      const seen = asked.at(-1)
      if (seen === undefined) throw new Error('nothing was asked of the backend')
      return seen
    },
    behave(next) {
      behaviour = next
    },
    forget() {
      asked = []
      behaviour = null
    },
    close: () => upstream.close(),
  }
}
