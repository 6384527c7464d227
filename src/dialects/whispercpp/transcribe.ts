import { GatewayError } from '../../kernel/index.ts'
import { backendFault, isRecord, jsonOf } from '../fault.ts'
import type { Operations } from '../operations.ts'
import type { WholeAnswer } from '../plan.ts'
import { formRequest } from '../requests.ts'
import { transcriptAnswerOf } from '../transcript.ts'

/** whisper.cpp's own server. */
export const whisperCppOperations: Pick<Operations, 'transcribe'> = {
  transcribe(transcription) {
    const { audio, language, task, prompt, temperature, format } = transcription
    const request = formRequest('/inference', 'file', audio, {
      response_format: format,
      language: language ?? 'auto', // it would take English for granted, where the other backends listen first
      translate: task === 'translate' ? 'true' : null,
      prompt,
      temperature: temperature === null ? null : String(temperature),
    })
    const reshape = transcriptAnswerOf(transcription)
    return {
      request,
      reshape(answer) {
        // Versions before 1.9 tell errors with status 200.
        const json = jsonOf(answer.body.toString('utf8', 0, ERROR_CHARS_MAX))
        if (isRecord(json) && typeof json.error === 'string' && json.text === undefined) throw fault({ ...answer, status: 400 })
        return reshape(answer)
      },
      fault,
    }
  },
}

const ERROR_CHARS_MAX = 4_096

/** Its error handler writes over every body: "Invalid request" for 400, and 404 "File Not Found" for all else, a model that is still loading too. */
function fault(answer: WholeAnswer): GatewayError {
  if (answer.status === 404 && answer.body.toString('latin1', 0, 64).startsWith('File Not Found')) {
    return new GatewayError('UPSTREAM_REFUSED', {
      detail: 'The backend failed and hides why; its model may still be loading, or it serves /inference under another path',
      reason: 'whisper.cpp: 404 File Not Found',
    })
  }
  const blank = answer.body.toString('latin1', 0, 64).trim() === 'Invalid request'
  return backendFault(blank ? { ...answer, body: Buffer.alloc(0) } : answer, {
    rejected: 'it could not read the audio; it takes WAV only, unless it was started with --convert',
  })
}
