import { expect, it } from 'vitest'
import { readWav, wavHeader } from './wav.ts'

const plain = Buffer.concat([wavHeader({ sampleRateHz: 24_000, samples: 100 }), Buffer.alloc(200)])

it('reads what it writes', () => {
  expect(readWav(plain)).toEqual({ encoding: 1, channels: 1, sampleRateHz: 24_000, bits: 16, dataAt: 44, dataBytes: 200 })
  expect(plain.readUInt32LE(4)).toBe(plain.length - 8)
})

it('walks over chunks it does not know, odd ones with their padding', () => {
  const odd = Buffer.concat([plain.subarray(0, 36), Buffer.from('LIST\x03\0\0\0abc\0', 'latin1'), plain.subarray(36)])
  expect(readWav(odd)).toMatchObject({ dataAt: 56, dataBytes: 200 })
})

it('refuses what is no WAV, or one that cannot be', () => {
  const voiceless = Buffer.from(plain)
  voiceless.writeUInt16LE(0, 22)
  const endless = Buffer.concat([plain.subarray(0, 36), Buffer.from('LIST\xff\xff\xff\xff', 'latin1')])
  for (const bytes of [Buffer.alloc(0), Buffer.from('RIFF'), Buffer.alloc(100), plain.subarray(0, 43), voiceless, endless]) {
    expect(readWav(bytes)).toBeNull()
  }
})
