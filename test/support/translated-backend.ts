import { a1111Answer } from './hostile/backends.ts'
import { answer, type Behaviour, json, MP3_BYTES, type SeenRequest } from './hostile.ts'
import { type ScriptedBackend, scriptedBackend } from './scripted-backend.ts'

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

/** One server in the place of all whose protocols are not those of /v1. */
export const translatedBackend = (): Promise<ScriptedBackend> =>
  scriptedBackend(
    (seen) => (goodAnswer(seen) === undefined ? answer(404) : null),
    (seen) => goodAnswer(seen) ?? answer(404),
  )

const goodAnswer = ({ target }: SeenRequest): Behaviour | undefined => GOOD[target.split('?')[0] ?? '']
