import { LIMITS } from '../../kernel/index.ts'
import { asText, type Fields, parseFields, readBytes } from '../http/body.ts'
import { type Call, type Handler, pause, Refusal, type StandIn, send, sendJson, serve } from '../http/serve.ts'
import { speakWav } from './speech.ts'
import { edgeEntry, VOICES, type Voice } from './voices.ts'

const DEFAULT_VOICE = 'en-US-JennyNeural'

/** The `/speak` wrapper around Edge-TTS. The real one answers mp3; without an encoder this one answers WAV, and says so. */
export function startSpeechStandIn({ port = 0 }: { port?: number } = {}): Promise<StandIn> {
  const routes: Readonly<Record<string, Handler>> = {
    'GET /health': ({ res }) => sendJson(res, 200, { status: 'ok', engine: 'stand-in' }),
    'GET /voices': ({ res }) => sendJson(res, 200, { voices: VOICES.map(edgeEntry) }),
    'POST /speak': speak,
  }
  const paths = Object.keys(routes).map((route) => route.split(' ')[1])
  return serve(
    (call) => {
      const handler = routes[`${call.req.method} ${call.path}`]
      if (handler !== undefined) return handler(call)
      const known = paths.includes(call.path)
      throw new Refusal(known ? 405 : 404, { detail: known ? 'Method Not Allowed' : 'Not Found' })
    },
    { port },
  )
}

const refuse = (detail: string): Refusal => new Refusal(400, { detail })

async function speak(call: Call): Promise<void> {
  const fields = parseFields(await readBytes(call, LIMITS.speechBodyBytesMax))
  if (fields === null) throw new Refusal(422, { detail: [{ type: 'json_invalid', loc: ['body'], msg: 'JSON decode error', input: {} }] })
  const text = asText(fields.text).trim()
  if (text === '') throw refuse('text is empty: there is nothing to speak')
  const sound = speakWav(text, voiceOf(fields), speedOf(fields))
  call.res.writeHead(200, { 'content-type': 'audio/wav' })
  for (const part of sound) {
    await send(call, part)
    // Another caller's turn between two words: making sound is work for the processor alone.
    await pause(1, call.left)
  }
  call.res.end()
}

function voiceOf({ voice }: Fields): Voice {
  const name = asText(voice ?? DEFAULT_VOICE)
  const found = VOICES.find(({ shortName }) => shortName.toLowerCase() === name.toLowerCase())
  if (found === undefined) throw refuse(`unknown voice '${name}'; GET /voices lists the ${VOICES.length} there are`)
  return found
}

/** edge-tts writes rates as `+20%`. Beyond half and double nothing is understood any more. */
function speedOf({ rate }: Fields): number {
  const percent = /^([+-]\d{1,3})%$/.exec(asText(rate ?? '+0%'))?.[1]
  if (percent === undefined) throw refuse(`invalid rate '${String(rate)}'; it is written like +20% or -10%`)
  return Math.min(Math.max(1 + Number(percent) / 100, 0.5), 2)
}
