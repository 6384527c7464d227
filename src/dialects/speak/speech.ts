import { GatewayError, own } from '../../kernel/index.ts'
import { backendFault } from '../fault.ts'
import type { Operations, Speech } from '../operations.ts'
import type { WholeAnswer } from '../plan.ts'
import { getRequest, jsonRequest } from '../requests.ts'
import { isSound, spokenCharacters } from '../sound.ts'
import { voicesAnswerOf } from '../voices.ts'

/** The voices that OpenAI's clients ask for, as the ones of Edge-TTS that come nearest. */
const OPENAI_VOICES: Readonly<Record<string, string>> = {
  alloy: 'en-US-JennyNeural',
  ash: 'en-US-AndrewNeural',
  ballad: 'en-GB-ThomasNeural',
  coral: 'en-AU-NatashaNeural',
  echo: 'en-US-GuyNeural',
  fable: 'en-GB-SoniaNeural',
  nova: 'en-US-AriaNeural',
  onyx: 'en-US-EricNeural',
  sage: 'en-US-JennyNeural',
  shimmer: 'en-US-EmmaNeural',
  verse: 'en-US-BrianNeural',
}

/** The `/speak` wrapper around Edge-TTS. */
export const speakOperations: Pick<Operations, 'speech' | 'voices'> = {
  speech(speech) {
    refuseWhatItCannot(speech)
    const { text, voice, ratePercent } = speech
    const wanted = {
      text,
      ...(voice === null ? {} : { voice: own(OPENAI_VOICES, voice) ?? voice }),
      ...(ratePercent === 0 ? {} : { rate: `${ratePercent > 0 ? '+' : ''}${ratePercent}%` }),
    }
    return { request: jsonRequest('/speak', wanted), units: spokenCharacters(text), passes: isSound, fault }
  },
  voices: () => ({ request: getRequest('/voices'), reshape: voicesAnswerOf, fault }),
}

/** Over /v1 and at /tts a format has different names; only OpenAI's shape of errors has `param`. */
function refuseWhatItCannot({ format, model }: Speech): void {
  // Edge-TTS itself makes nothing else, and a wrapper that answered mp3 under another name would be believed.
  if (format !== 'mp3')
    throw new GatewayError('BODY_INVALID', {
      detail: `This speech backend makes mp3 only, not ${format}`,
      hints: { param: 'response_format' },
    })
  if (model !== null)
    throw new GatewayError('BODY_INVALID', { detail: 'model: this speech backend has no models to choose from', hints: { param: 'model' } })
}

/** The wrapper does not catch what Edge-TTS throws. */
const fault = (answer: WholeAnswer): GatewayError =>
  backendFault(answer, { failed: 'it does not say why; a voice that it does not know and a speech service out of reach look alike to it' })
