import { wavHeader } from '../wav.ts'
import { type Phone, phonesOf, silence } from './phones.ts'
import { createVoiceBox, SAMPLE_RATE_HZ } from './voicebox.ts'
import type { Voice } from './voices.ts'

/** What is longer is cut: a stand-in's syllables are no pleasure by the minute. */
export const SPOKEN_CHARS_MAX = 1_000

interface Sound {
  readonly phone: Phone
  readonly samples: number
  /** Times the voice's own pitch. */
  readonly pitch: number
}

const PAUSE_MS: Readonly<Record<string, number>> = { ',': 190, ';': 220, ':': 220, '.': 330, '!': 330, '?': 330 }
const WORD_GAP_MS = 100
const EDGE_MS = 60

/** A whole WAV file, word by word. Its header is exact, because all lengths are known before the first sample is made. */
export function* speakWav(text: string, voice: Voice, speed: number): Generator<Buffer> {
  const words = plan(text.slice(0, SPOKEN_CHARS_MAX), speed)
  const samples = words.flat().reduce((sum, sound) => sum + sound.samples, 0)
  const box = createVoiceBox(voice)
  yield wavHeader({ sampleRateHz: SAMPLE_RATE_HZ, samples })
  for (const word of words) {
    const parts = word.map(({ phone, samples, pitch }) => box.speak(phone, samples, pitch))
    yield Buffer.concat(parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength)))
  }
}

/** Each word with the pause after it. */
function plan(text: string, speed: number): readonly (readonly Sound[])[] {
  const sound = (phone: Phone, pitch: number): Sound => ({ phone, pitch, samples: Math.round((phone.ms * SAMPLE_RATE_HZ) / 1_000 / speed) })
  const edge = [sound(silence(EDGE_MS), 1)]
  const sentences = text.match(/[^.!?]+[.!?]*/g) ?? []
  const words = sentences.flatMap((sentence) => {
    const found = [...sentence.matchAll(/([\p{L}\p{N}\p{M}'’-]+)([^\p{L}\p{N}\p{M}]*)/gu)]
    const asks = sentence.endsWith('?')
    return found.map(([, word = '', after = ''], index) => {
      const pitches = contour(index / Math.max(found.length - 1, 1), asks && index === found.length - 1)
      const phones = phonesOf(word)
      const first = phones.findIndex(({ vowel }) => vowel)
      const spoken = phones.map((phone, at) => sound(phone, pitches(at / Math.max(phones.length - 1, 1)) * (at === first ? 1.06 : 1)))
      return [...spoken, sound(silence(pauseAfter(after)), 1)]
    })
  })
  return [edge, ...words, edge]
}

/** A sentence falls as it goes; a question's last word climbs. */
function contour(place: number, climbs: boolean): (within: number) => number {
  const base = 1.1 - 0.22 * place
  return (within) => (climbs ? base + 0.35 * within : base - 0.03 * within)
}

function pauseAfter(marks: string): number {
  return Math.max(WORD_GAP_MS, ...[...marks].map((mark) => PAUSE_MS[mark] ?? 0))
}
