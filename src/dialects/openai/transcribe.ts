import { backendFault } from '../fault.ts'
import type { Operations } from '../operations.ts'
import { formRequest } from '../requests.ts'
import { transcriptAnswerOf } from '../transcript.ts'
import { USUAL_MODELS } from './usual.ts'

/** Transcription servers in OpenAI's style, such as speaches. Translating is a route of its own there, and always into English. */
export const openaiTranscription: Pick<Operations, 'transcribe'> = {
  transcribe(transcription) {
    const { audio, language, task, prompt, temperature, format, model } = transcription
    const translates = task === 'translate'
    const request = formRequest(`/v1/audio/${translates ? 'translations' : 'transcriptions'}`, 'file', audio, {
      model: model ?? USUAL_MODELS.transcription,
      language: translates ? null : language, // translations have no such option
      prompt,
      temperature: temperature === null ? null : String(temperature),
      response_format: format,
    })
    return { request, reshape: transcriptAnswerOf(transcription), fault: backendFault }
  },
}
