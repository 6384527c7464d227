import { GatewayError } from '../../kernel/index.ts'
import { backendFault } from '../fault.ts'
import type { Operations, Transcription } from '../operations.ts'
import type { WholeAnswer } from '../plan.ts'
import { formRequest } from '../requests.ts'
import { transcriptAnswerOf } from '../transcript.ts'

const OUTPUTS: Readonly<Record<Transcription['format'], string>> = {
  json: 'json',
  verbose_json: 'json', // always verbose; it calls it text/plain
  text: 'txt', // its documents say `text`, its code says this
  srt: 'srt',
  vtt: 'vtt',
}

/** whisper-asr-webservice: options in the query, the file as `audio_file`. */
export const asrOperations: Pick<Operations, 'transcribe'> = {
  transcribe(transcription) {
    const { audio, language, task, prompt, temperature, format } = transcription
    if (temperature !== null && temperature !== 0) {
      throw new GatewayError('BODY_INVALID', { detail: 'temperature: this backend has one of its own and takes no other' })
    }
    const query = new URLSearchParams({ encode: 'true', task, output: OUTPUTS[format] })
    if (language !== null) query.set('language', language)
    if (prompt !== null) query.set('initial_prompt', prompt)
    return { request: formRequest(`/asr?${query}`, 'audio_file', audio), reshape: transcriptAnswerOf(transcription), fault }
  },
}

/** It does not catch what ffmpeg throws. */
const fault = (answer: WholeAnswer): GatewayError =>
  backendFault(answer, { failed: 'it does not say why; audio that it cannot decode and a fault of its own look alike to it' })
