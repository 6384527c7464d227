import { expect, it } from 'vitest'
import { speakWav } from '../speech/speech.ts'
import { VOICES } from '../speech/voices.ts'
import { wavHeader } from '../wav.ts'
import { describeSound } from './sound.ts'

const tell = (bytes: Buffer) => describeSound(bytes, bytes.length)

it('counts about as many bursts as there were words, whoever speaks', () => {
  for (const voice of VOICES) {
    const wav = Buffer.concat([...speakWav('Five plain words are spoken.', voice, 1)])
    expect(tell(wav)?.facts.at(-1)).toBe('I counted 5 bursts of sound between pauses.')
  }
})

it('believes the bytes more than a header that claims another length', () => {
  const header = wavHeader({ sampleRateHz: 8_000, samples: 0x3fff_ffff })
  expect(tell(Buffer.concat([header, Buffer.alloc(8_000)]))).toMatchObject({
    seconds: 0.5,
    facts: [expect.stringContaining('0.5 seconds'), 'It is perfectly silent.'],
  })
})

it('knows an MP3 by its first frame, others by their first bytes, and nothing else', () => {
  const frames = Buffer.concat([Buffer.from([0xff, 0xf3, 0x64, 0xc4]), Buffer.alloc(5_996)])
  expect(tell(frames)).toMatchObject({ kind: 'MP3', seconds: 1 })
  expect(tell(Buffer.from('OggS....'))?.kind).toBe('Ogg')
  expect(tell(Buffer.from('fLaC....'))?.facts).toEqual(['It is 8 bytes of FLAC.'])
  for (const none of ['', 'hello', '\xff\xff\xff\xff']) expect(tell(Buffer.from(none, 'latin1'))).toBeNull()
})
