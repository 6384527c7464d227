/** Speech servers mislabel sound as anything binary; text of any kind is an error that was told with status 200. */
export const isSound = (contentType: string): boolean => !/^\s*(?:text\/|application\/(?:[\w.+-]+\+)?(?:json|xml)\b)/i.test(contentType)

/** How long a recording is, where nobody tells. */
export const heardSeconds = (bytes: number, bytesPerSecond: number): { seconds: number } => ({ seconds: Math.ceil(bytes / bytesPerSecond) })

/** Of what is not compressed: 16 bits at 16 kHz, as speech is recorded. */
export const PLAIN_BYTES_PER_SECOND = 32_000
/** Of what may be compressed as far as Opus does it for speech. */
const LEAST_BYTES_PER_SECOND = 2_000
/** 16 bits at 48 kHz, twice. A head that says more is not believed, because some decoders find compressed sound within such a file too. */
const MOST_BYTES_PER_SECOND = 192_000

/** As much of a file as tells what it is. */
export const SOUND_HEAD_BYTES = 4_096

type Mark = readonly [at: number, text: string, bytesPerSecond: number]

/** How files begin, and the least that their kind usually has of a second. */
const MARKS: readonly Mark[] = [
  [0, 'OggS', LEAST_BYTES_PER_SECOND],
  [0, '\x1aE\xdf\xa3', LEAST_BYTES_PER_SECOND], // WebM, Matroska
  [4, 'ftyp', 4_000], // MP4, M4A
  [0, 'ID3', 4_000], // MP3, AAC
  [0, 'fLaC', 16_000],
]

/**
 * How many bytes of a recording are a second, by its first ones: what a caller calls a file must not choose its price. A low rate for each kind, so that whoever
 * sends the same sound in fewer bytes pays for hardly less of it.
 */
export function soundRateOf(head: Buffer): number {
  if (startsAt(head, 0, 'RIFF') && startsAt(head, 8, 'WAVE')) return wavRate(head)
  const known = MARKS.find(([at, text]) => startsAt(head, at, text))
  if (known !== undefined) return known[2]
  return head[0] === 0xff && ((head[1] ?? 0) & 0xe0) === 0xe0 ? MPEG_BYTES_PER_SECOND : LEAST_BYTES_PER_SECOND
}

const MPEG_BYTES_PER_SECOND = 4_000 // the frames of MP3 and of AAC both begin so

const startsAt = (bytes: Buffer, at: number, text: string): boolean => bytes.toString('latin1', at, at + text.length) === text

const PCM = 1
const FLOAT = 3
const EXTENSIBLE = 0xfffe
const SAMPLE_BITS: ReadonlySet<number> = new Set([8, 16, 24, 32, 64])

/** By the chunk that says how it is made; the least where that is compressed, or not to be found at its beginning. */
function wavRate(head: Buffer): number {
  for (let at = 12; at + 24 <= head.length; at += 8 + head.readUInt32LE(at + 4) + (head.readUInt32LE(at + 4) % 2)) {
    if (!startsAt(head, at, 'fmt ')) continue
    const form = head.readUInt16LE(at + 8)
    const coding = form === EXTENSIBLE && at + 34 <= head.length ? head.readUInt16LE(at + 32) : form
    const bits = head.readUInt16LE(at + 22)
    if ((coding !== PCM && coding !== FLOAT) || !SAMPLE_BITS.has(bits)) break
    const rate = (head.readUInt16LE(at + 10) * head.readUInt32LE(at + 12) * bits) / 8
    return Math.min(Math.max(rate, LEAST_BYTES_PER_SECOND), MOST_BYTES_PER_SECOND)
  }
  return LEAST_BYTES_PER_SECOND
}

/** Characters as a person counts them, not as UTF-16 does. */
export function spokenCharacters(text: string): { characters: number } {
  let characters = 0
  for (const _character of text) characters += 1
  return { characters }
}
