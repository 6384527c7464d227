import { readWav, type WavFormat } from '../wav.ts'

/** What can be told of an audio file without understanding a word of it. Null for what is no audio. */
export interface Sound {
  readonly kind: string
  /** Sentences for a person. */
  readonly facts: readonly string[]
  /** 0 where it cannot be known. */
  readonly seconds: number
}

export function describeSound(bytes: Buffer, totalBytes: number): Sound | null {
  const wav = readWav(bytes)
  if (wav !== null) return describeWav(bytes, wav, totalBytes)
  const mp3 = describeMp3(bytes, totalBytes)
  if (mp3 !== null) return mp3
  const kind = MAGIC.find(([, at, mark]) => bytes.toString('latin1', at, at + mark.length) === mark)?.[0]
  return kind === undefined ? null : { kind, facts: [`It is ${sizeOf(totalBytes)} of ${kind}.`], seconds: 0 }
}

const MAGIC: readonly (readonly [kind: string, at: number, mark: string])[] = [
  ['Ogg', 0, 'OggS'],
  ['FLAC', 0, 'fLaC'],
  ['MP4', 4, 'ftyp'],
  ['WebM', 0, '\x1a\x45\xdf\xa3'],
  ['AIFF', 0, 'FORM'],
  ['AMR', 0, '#!AMR'],
]

const PCM = 1
const CHANNELS: Readonly<Record<number, string>> = { 1: 'mono', 2: 'stereo' }

function describeWav(bytes: Buffer, wav: WavFormat, totalBytes: number): Sound {
  const { channels, sampleRateHz, bits, dataAt } = wav
  // A file that was streamed as it was made may claim any length: what came is what counts.
  const dataBytes = Math.min(wav.dataBytes, totalBytes - dataAt)
  const seconds = dataBytes / (sampleRateHz * channels * Math.max(1, bits / 8))
  const facts = [
    `It is a WAV file of ${sizeOf(totalBytes)}: ${sampleRateHz} Hz, ${CHANNELS[channels] ?? `${channels} channels`}, ${bits} bit, ${seconds.toFixed(1)} seconds.`,
  ]
  if (wav.encoding === PCM && bits === 16) facts.push(...loudness(bytes.subarray(dataAt, dataAt + dataBytes), sampleRateHz * channels))
  return { kind: 'WAV', facts, seconds }
}

const FRAME_S = 0.01
const SILENCE_BELOW_PEAK = 0.03
const GAP_FRAMES = 6

/** Peak and average level, and how many bursts of sound there are between pauses: in plain speech, about the words. */
function loudness(data: Buffer, samplesPerSecond: number): readonly string[] {
  const perFrame = Math.max(1, Math.round(samplesPerSecond * FRAME_S))
  const frames: number[] = []
  let peak = 0
  let squares = 0
  const samples = data.length >> 1
  for (let at = 0; at < samples; at += perFrame) {
    let loudest = 0
    for (let i = at; i < Math.min(at + perFrame, samples); i += 1) {
      const level = Math.abs(data.readInt16LE(i * 2)) / 32_768
      squares += level * level
      if (level > loudest) loudest = level
    }
    frames.push(loudest)
    if (loudest > peak) peak = loudest
  }
  if (peak === 0) return ['It is perfectly silent.']
  const bursts = countBursts(frames, peak * SILENCE_BELOW_PEAK)
  return [
    `Its loudest point is ${decibels(peak)} and its average ${decibels(Math.sqrt(squares / samples))}.`,
    `I counted ${bursts} ${bursts === 1 ? 'burst' : 'bursts'} of sound between pauses.`,
  ]
}

function countBursts(frames: readonly number[], threshold: number): number {
  let bursts = 0
  let quiet = GAP_FRAMES
  for (const level of frames) {
    if (level < threshold) quiet += 1
    else {
      if (quiet >= GAP_FRAMES) bursts += 1
      quiet = 0
    }
  }
  return bursts
}

const decibels = (level: number): string => `${(20 * Math.log10(level)).toFixed(1)} dB`

const MP3_KBIT = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320] as const
const MP3_KBIT_LOW = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160] as const
const MP3_HZ = [44_100, 48_000, 32_000] as const

/** Reads the first frame of MPEG layer III and takes the rest to be like it. */
function describeMp3(bytes: Buffer, totalBytes: number): Sound | null {
  const tagged = bytes.toString('latin1', 0, 3) === 'ID3' && bytes.length > 10
  const start = tagged ? 10 + [6, 7, 8, 9].reduce((size, at) => size * 128 + ((bytes[at] ?? 0) & 127), 0) : 0
  const [sync = 0, version = 0, rates = 0] = bytes.subarray(start, start + 3)
  if (sync !== 0xff || (version & 0xe6) !== 0xe2)
    return tagged ? { kind: 'MP3', facts: [`It is an MP3 file of ${sizeOf(totalBytes)}.`], seconds: 0 } : null
  const full = (version & 0x18) === 0x18
  const kbit = (full ? MP3_KBIT : MP3_KBIT_LOW)[rates >> 4] ?? 0
  const hz = (MP3_HZ[(rates >> 2) & 3] ?? 0) / (full ? 1 : (version & 0x18) === 0x10 ? 2 : 4)
  if (kbit === 0 || hz === 0) return null
  const seconds = ((totalBytes - start) * 8) / (kbit * 1_000)
  return {
    kind: 'MP3',
    facts: [`It is an MP3 file of ${sizeOf(totalBytes)}: ${hz} Hz, ${kbit} kbit/s, about ${seconds.toFixed(1)} seconds.`],
    seconds,
  }
}

function sizeOf(bytes: number): string {
  return bytes < 10_000 ? `${bytes} bytes` : `${Math.round(bytes / 1_000)} kB`
}
