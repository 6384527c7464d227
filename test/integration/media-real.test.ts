import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StandIn } from '../../src/demo/index.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { ask, askJson, FORM_TYPE, formBytes } from '../support/media.ts'
import { realHearingServer, realSpeechLacking, realSpeechServer } from '../support/real-speech.ts'

const SENTENCES = ['the quick brown fox jumps over the lazy dog', 'open the door and let the light come in']
/** Of the words, how many must be heard: the recogniser takes "jumps" for "jumped". */
const HEARD_SHARE_MIN = 0.7

describe.skipIf(realSpeechLacking() !== '' || process.env.PORTCULLIS_LONG !== '1')('a sentence spoken and heard through the gate', () => {
  let backends: StandIn[] = []
  let gate: GatewayUnderTest
  let key: TestKey
  beforeAll(async () => {
    backends = await Promise.all([realSpeechServer(), realHearingServer()])
    gate = await startTestGateway({
      CHAT_ENABLED: 'false',
      TTS_ENABLED: 'true',
      TTS_URL: backends[0]?.url ?? '',
      WHISPER_ENABLED: 'true',
      WHISPER_URL: backends[1]?.url ?? '',
    })
    key = await gate.key({ rights: ['tts', 'whisper'] })
  })
  afterAll(async () => {
    await gate?.stop()
    await Promise.all(backends.map((backend) => backend.close()))
  })

  it.each(SENTENCES)(
    'comes back: %s',
    async (sentence) => {
      const spoken = await askJson(gate.port, '/tts/api/speak', key.text, { text: sentence, voice: 'rms' })
      expect([spoken.status, spoken.headers['content-type']]).toEqual([200, 'audio/wav'])
      const body = formBytes([
        ['response_format', 'text'],
        ['file', spoken.bytes],
      ])
      const heard = await ask(gate.port, {
        path: '/whisper/api/transcribe',
        key: key.text,
        body,
        headers: { 'content-type': FORM_TYPE },
        withinMs: 60_000,
      })
      const words = sentence.split(' ')
      const found = words.filter((word) => heard.text.includes(word)).length
      process.stdout.write(`spoken: ${sentence}\nheard:  ${heard.text}`)
      expect(found / words.length).toBeGreaterThanOrEqual(HEARD_SHARE_MIN)
    },
    120_000,
  )
})
