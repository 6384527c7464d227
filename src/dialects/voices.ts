import type { Endpoint } from '../catalog/index.ts'
import type { VoiceView } from '../contract/index.ts'
import { isRecord, jsonOf, rubbish } from './fault.ts'
import type { LocalAnswer, WholeAnswer } from './plan.ts'
import { localJson } from './requests.ts'

/** Every speech server lists its voices in a way of its own: names alone, objects, or objects by name. */
export function voicesAnswerOf({ body }: WholeAnswer): LocalAnswer {
  const voices = voicesIn(body)
  if (voices === null) throw rubbish('its list of voices is none')
  return localJson({ voices })
}

/** Null for what is no list. */
export function voicesIn(body: Buffer): readonly VoiceView[] | null {
  const list = listIn(jsonOf(body.toString('utf8')))
  return list === null ? null : list.flatMap((entry) => voiceOf(entry) ?? [])
}

/** Where a speech server lists its voices; null where the gate knows of no list. */
export function voicesPathOf({ dialect, apiRoot }: Pick<Endpoint, 'dialect' | 'apiRoot'>): string | null {
  if (dialect === 'speak') return '/voices'
  return dialect === 'openai' ? `${apiRoot}/audio/voices` : null
}

function listIn(json: unknown): readonly unknown[] | null {
  if (Array.isArray(json)) return json
  if (!isRecord(json)) return null
  for (const name of ['voices', 'data', 'items']) {
    const list = json[name]
    if (Array.isArray(list)) return list
    if (isRecord(list)) return byName(list)
  }
  return Object.values(json).every(isRecord) ? byName(json) : null // piper keys its voices by their names
}

const byName = (voices: Readonly<Record<string, unknown>>): readonly unknown[] =>
  Object.entries(voices).map(([id, voice]) => (isRecord(voice) ? { id, ...voice } : id))

function voiceOf(entry: unknown): VoiceView | null {
  if (typeof entry === 'string') return { id: entry }
  if (!isRecord(entry)) return null
  const text = (...names: readonly string[]): string | undefined =>
    names.map((name) => entry[name]).find((value): value is string => typeof value === 'string' && value !== '')
  const id = text('id', 'ShortName', 'voice_id', 'name', 'Name')
  if (id === undefined) return null
  const voice: VoiceView = { id }
  const name = text('FriendlyName', 'name', 'display_name')
  const gender = text('gender', 'Gender')
  const language = text('language', 'Locale', 'locale', 'lang')
  if (name !== undefined && name !== id) voice.name = name
  if (gender !== undefined) voice.gender = gender
  if (language !== undefined) voice.language = language
  return voice
}
