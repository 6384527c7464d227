/** Linear PCM, 16 bit, mono: what every player and every speech engine reads. */
export const WAV_HEADER_BYTES = 44

export function wavHeader({ sampleRateHz, samples }: { sampleRateHz: number; samples: number }): Buffer {
  const dataBytes = samples * 2
  const header = Buffer.alloc(WAV_HEADER_BYTES)
  header.write('RIFF', 0, 'latin1')
  header.writeUInt32LE(WAV_HEADER_BYTES - 8 + dataBytes, 4)
  header.write('WAVEfmt ', 8, 'latin1')
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20) // linear PCM
  header.writeUInt16LE(1, 22) // mono
  header.writeUInt32LE(sampleRateHz, 24)
  header.writeUInt32LE(sampleRateHz * 2, 28)
  header.writeUInt16LE(2, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36, 'latin1')
  header.writeUInt32LE(dataBytes, 40)
  return header
}

export interface WavFormat {
  readonly encoding: number
  readonly channels: number
  readonly sampleRateHz: number
  readonly bits: number
  readonly dataAt: number
  /** As the header says it; a streamed file may claim more, or nothing at all. */
  readonly dataBytes: number
}

/** Walks the chunks up to the samples. Null when this is no WAV file, or one whose header is broken. */
export function readWav(bytes: Buffer): WavFormat | null {
  if (bytes.length < WAV_HEADER_BYTES || bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE')
    return null
  let format: Omit<WavFormat, 'dataAt' | 'dataBytes'> | null = null
  for (let at = 12; at + 8 <= bytes.length; ) {
    const id = bytes.toString('latin1', at, at + 4)
    const size = bytes.readUInt32LE(at + 4)
    if (id === 'data') return format === null ? null : { ...format, dataAt: at + 8, dataBytes: size }
    if (id === 'fmt ' && at + 24 <= bytes.length) {
      format = {
        encoding: bytes.readUInt16LE(at + 8),
        channels: bytes.readUInt16LE(at + 10),
        sampleRateHz: bytes.readUInt32LE(at + 12),
        bits: bytes.readUInt16LE(at + 22),
      }
      if (format.channels === 0 || format.sampleRateHz === 0) return null
    }
    at += 8 + size + (size % 2) // chunks begin at even offsets
  }
  return null
}
