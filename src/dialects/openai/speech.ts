import { backendFault } from '../fault.ts'
import type { Operations } from '../operations.ts'
import { getRequest, jsonRequest } from '../requests.ts'
import { isSound, spokenCharacters } from '../sound.ts'
import { voicesAnswerOf } from '../voices.ts'
import { USUAL_MODELS } from './usual.ts'

/** Speech servers in OpenAI's style: openai-edge-tts, Kokoro, openedai-speech, speaches. */
export const openaiSpeech: Pick<Operations, 'speech' | 'voices'> = {
  speech({ text, voice, ratePercent, format, model }) {
    const wanted = {
      model: model ?? USUAL_MODELS.speech,
      input: text,
      ...(voice === null ? {} : { voice }),
      response_format: format,
      ...(ratePercent === 0 ? {} : { speed: (100 + ratePercent) / 100 }),
    }
    return { request: jsonRequest('/v1/audio/speech', wanted), units: spokenCharacters(text), passes: isSound, fault: backendFault }
  },
  voices: () => ({ request: getRequest('/v1/audio/voices'), reshape: voicesAnswerOf, fault: backendFault }),
}
