import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StandIn } from '../../src/demo/index.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { ask, askJson, FORM_TYPE, formBytes } from '../support/media.ts'
import { realHearingServer, realSpeechLacking, realSpeechServer } from '../support/real-speech.ts'
import { named } from '../support/tools.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const lacking = realSpeechLacking()

/** Sentences that the recogniser's small model can hear, told by engines that neither of us wrote. */
const SENTENCES = [
  'The weather is very nice today.',
  'My brother is reading a book.',
  'We will go to the market tomorrow morning.',
  'There are seven people in the house.',
  'She was born in the month of September.',
  'Please open the door and close the window.',
]
const VOICES = ['rms', 'slt']

/** Words in common, in order, out of those that were said: 1 when every word came back. */
function wordsBack(said: string, heard: string): number {
  const [a, b] = [said, heard].map((text) => text.toLowerCase().match(/[a-z']+/g) ?? [])
  if (a === undefined || b === undefined) return 0
  let row = new Array<number>(b.length + 1).fill(0)
  for (const word of a) {
    const next = [0]
    for (const [at, other] of b.entries()) next.push(word === other ? (row[at] ?? 0) + 1 : Math.max(row[at + 1] ?? 0, next[at] ?? 0))
    row = next
  }
  return (row.at(-1) ?? 0) / a.length
}

describe.skipIf(lacking)(named('real speech, through the gate and back', lacking), () => {
  let speech: StandIn
  let hearing: StandIn
  let gate: GatewayUnderTest
  let key: string
  beforeAll(async () => {
    speech = await realSpeechServer()
    hearing = await realHearingServer()
    gate = await startTestGateway({ TTS_ENABLED: 'true', TTS_URL: speech.url, WHISPER_ENABLED: 'true', WHISPER_URL: hearing.url })
    key = (await gate.key({ rights: ['speech', 'transcription'] })).text
  })
  afterAll(async () => {
    await gate.stop()
    await speech.close()
    await hearing.close()
  })

  const speak = async (text: string, voice: string): Promise<Buffer> => {
    const spoken = await askJson(gate.port, '/tts/api/speak', key, { text, voice })
    expect([spoken.status, spoken.headers['content-type'], spoken.complete]).toEqual([200, 'audio/wav', true])
    return spoken.bytes
  }

  const hear = async (sound: Buffer, format: string): Promise<string> => {
    const body = formBytes([
      ['language', 'en'],
      ['response_format', format],
      ['file', sound],
    ])
    const heard = await ask(gate.port, {
      path: '/whisper/api/transcribe',
      key,
      body,
      headers: { 'content-type': FORM_TYPE },
      withinMs: 60_000,
    })
    expect([heard.status, heard.complete]).toEqual([200, true])
    return format === 'json' ? String(heard.json().text) : heard.text
  }

  it('gives a sentence back word by word', { timeout: 300_000 }, async () => {
    const sentences = LONG ? SENTENCES : SENTENCES.slice(0, 1)
    const rounds = sentences.flatMap((sentence) => (LONG ? VOICES : VOICES.slice(0, 1)).map((voice) => ({ sentence, voice })))
    const shares: number[] = []
    for (const { sentence, voice } of rounds) {
      const heard = await hear(await speak(sentence, voice), 'json')
      shares.push(wordsBack(sentence, heard))
      process.stdout.write(`  ${voice}: "${sentence}" came back as "${heard}"\n`)
    }
    const words = shares.reduce((sum, share) => sum + share, 0) / shares.length
    const whole = shares.filter((share) => share === 1).length
    process.stdout.write(
      `promise real-speech: ${shares.length} ${shares.length === 1 ? 'sentence' : 'sentences'} spoken by flite and heard by pocketsphinx through the gate, ${whole} came back whole, ${(words * 100).toFixed(0)} % of the words\n`,
    )
    expect(shares[0]).toBe(1) // the first is known to come back whole
    expect(words).toBeGreaterThanOrEqual(0.75) // the recogniser's small model mishears some; a gate that lost sound would lose them all
  })

  it('records what was spoken and heard, and none of the words', async () => {
    const outcomes = await gate.outcomes()
    expect(outcomes.length).toBeGreaterThan(1)
    expect(outcomes.every(({ status, ended }) => status === 200 && ended === 'complete')).toBe(true)
    expect(outcomes[0]).toMatchObject({ service: 'tts', units: { characters: SENTENCES[0]?.length } })
    expect(outcomes[1]).toMatchObject({ service: 'whisper', units: { bytes: expect.any(Number) } })
    expect(JSON.stringify(await gate.lines())).not.toMatch(/weather/i)
  })

  it('hears nothing in silence, and says why where there is no sound at all', async () => {
    const silence = await speak('a', 'rms').then((wav) => Buffer.concat([wav.subarray(0, 44), Buffer.alloc(wav.length - 44)]))
    expect((await hear(silence, 'text')).trim()).not.toMatch(/[a-z]{4,} [a-z]{4,}/)
    const body = formBytes([['file', Buffer.from('this is no sound')]])
    const refused = await ask(gate.port, { path: '/whisper/api/transcribe', key, body, headers: { 'content-type': FORM_TYPE } })
    expect(refused.status).toBe(502)
    expect(refused.json()).toMatchObject({ code: 'UPSTREAM_REFUSED', detail: expect.stringContaining('audio that it cannot decode') })
    const unknown = await askJson(gate.port, '/tts/api/speak', key, { text: 'Hello', voice: 'nobody' })
    expect(unknown.status).toBe(400)
    expect(unknown.json()).toMatchObject({ detail: expect.stringContaining("unknown voice 'nobody'") })
  })
})
