import type { DialectName } from '../catalog/index.ts'
import { a1111Operations } from './a1111/image.ts'
import { pictures } from './a1111/openai.ts'
import { asrOperations } from './asr/transcribe.ts'
import { openaiSpeech } from './openai/speech.ts'
import { openaiTranscription } from './openai/transcribe.ts'
import { USUAL_MODELS } from './openai/usual.ts'
import type { Operations } from './operations.ts'
import { speakOperations } from './speak/speech.ts'
import { whisperCppOperations } from './whispercpp/transcribe.ts'

/** Which language can say what. Same-protocol routes need nothing of this. */
const DIALECTS: Readonly<Record<DialectName, Partial<Operations>>> = {
  ollama: {},
  speak: speakOperations,
  openai: { ...openaiSpeech, ...openaiTranscription },
  anthropic: {},
  a1111: { ...a1111Operations, ...pictures },
  asr: asrOperations,
  whispercpp: whisperCppOperations,
  plain: {},
}

export function operationOf<Name extends keyof Operations>(dialect: DialectName, name: Name): Operations[Name] {
  const operation = DIALECTS[dialect][name]
  if (operation === undefined) throw new Error(`${dialect} cannot say ${name}`) // configuration gives a service only dialects that can
  return operation as Operations[Name] // the table's row of this very name
}

/** The model that a backend is asked for where nobody names one; null where backends of that language have only one. */
export const usualModelOf = (dialect: DialectName, what: keyof typeof USUAL_MODELS): string | null =>
  dialect === 'openai' ? USUAL_MODELS[what] : null
