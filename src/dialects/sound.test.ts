import { describe, expect, it } from 'vitest'
import { heardSeconds, soundRateOf } from './sound.ts'

interface Wav {
  readonly coding?: number
  readonly channels?: number
  readonly hz?: number
  readonly bits?: number
  readonly before?: Buffer
}

function wav({ coding = 1, channels = 1, hz = 16_000, bits = 16, before = Buffer.alloc(0) }: Wav = {}): Buffer {
  const form = Buffer.alloc(48)
  form.write('fmt ', 0, 'latin1')
  form.writeUInt32LE(40, 4)
  form.writeUInt16LE(coding, 8)
  form.writeUInt16LE(channels, 10)
  form.writeUInt32LE(hz, 12)
  form.writeUInt32LE(4_000_000_000, 16) // what it says of its own rate no decoder reads
  form.writeUInt16LE(bits, 22)
  form.writeUInt16LE(1, 32)
  return Buffer.concat([Buffer.from('RIFF\0\0\0\0WAVE', 'latin1'), before, form, Buffer.from('data\0\0\0\0', 'latin1')])
}

const chunk = (name: string, bytes: number): Buffer => {
  const head = Buffer.alloc(8)
  head.write(name, 0, 'latin1')
  head.writeUInt32LE(bytes, 4)
  return Buffer.concat([head, Buffer.alloc(bytes + (bytes % 2))])
}
const latin = (text: string): Buffer => Buffer.from(text.padEnd(64, '\0'), 'latin1')

describe('a second of a recording', () => {
  it.each([
    ['Ogg', latin('OggS'), 2_000],
    ['WebM', latin('\x1aE\xdf\xa3'), 2_000],
    ['M4A', latin('\0\0\0\x20ftypM4A '), 4_000],
    ['MP3', latin('\xff\xfb\x90'), 4_000],
    ['MP3 with its title', latin('ID3\x04'), 4_000],
    ['AAC', latin('\xff\xf1\x50'), 4_000],
    ['FLAC', latin('fLaC'), 16_000],
    ['something else', latin('caff'), 2_000],
    ['nothing', Buffer.alloc(0), 2_000],
  ])('is told by how it begins (%s)', (_what, head, rate) => {
    expect(soundRateOf(head)).toBe(rate)
  })

  it.each<[Wav, number]>([
    [{}, 32_000],
    [{ hz: 8_000, bits: 8 }, 8_000],
    [{ hz: 44_100, channels: 2 }, 176_400],
    [{ coding: 3, bits: 32 }, 64_000],
    [{ coding: 0xfffe }, 32_000],
    [{ before: chunk('JUNK', 27) }, 32_000],
    [{ before: chunk('bext', 858) }, 32_000],
    [{ hz: 4_000_000_000, channels: 65_535 }, 192_000],
    [{ hz: 0 }, 2_000],
    [{ coding: 7, bits: 64 }, 2_000], // eight bits, whatever it says
    [{ coding: 85 }, 2_000], // MP3
    [{ bits: 65_528 }, 2_000],
    [{ before: chunk('LIST', 60_000) }, 2_000],
    [{ before: Buffer.from('LIST\xff\xff\xff\xff', 'latin1') }, 2_000],
  ])('of a WAV file is as many bytes as its decoder takes for one: %j', (made, rate) => {
    expect(soundRateOf(wav(made).subarray(0, 4_096))).toBe(rate)
    for (let cut = 0; cut < 80; cut += 1) expect(soundRateOf(wav(made).subarray(0, cut))).toBeGreaterThanOrEqual(2_000)
  })

  it('is never less than one for what has bytes', () => {
    expect([heardSeconds(1, 192_000), heardSeconds(2_001, 2_000), heardSeconds(0, 2_000)]).toEqual([
      { seconds: 1 },
      { seconds: 2 },
      { seconds: 0 },
    ])
  })
})
