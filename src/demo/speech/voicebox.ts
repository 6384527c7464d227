import { randomFrom } from '../hash.ts'
import type { Phone } from './phones.ts'
import type { Voice } from './voices.ts'

export const SAMPLE_RATE_HZ = 24_000
/** Samples between two moves of the mouth. */
const BLOCK = 48
const BANDWIDTHS_HZ = [70, 100, 140, 250, 300] as const
/** The fourth and fifth resonance hardly move; without them a voice is dull. */
const UPPER_HZ = [3_600, 4_500] as const

/** A resonance of two poles, unity at 0 Hz (Klatt 1980). */
class Resonator {
  #a = 1
  #b = 0
  #c = 0
  #y1 = 0
  #y2 = 0

  tune(hz: number, bandwidthHz: number): void {
    const radius = Math.exp((-Math.PI * bandwidthHz) / SAMPLE_RATE_HZ)
    this.#c = -radius * radius
    this.#b = 2 * radius * Math.cos((2 * Math.PI * hz) / SAMPLE_RATE_HZ)
    this.#a = 1 - this.#b - this.#c
  }

  next(x: number): number {
    const y = this.#a * x + this.#b * this.#y1 + this.#c * this.#y2
    this.#y2 = this.#y1
    this.#y1 = y
    return y
  }
}

/** The air through the vocal folds over one period (Rosenberg 1971): they open slowly and shut fast. */
function glottis(phase: number): number {
  if (phase < 0.4) return (phase / 0.4) ** 2 * (3 - (2 * phase) / 0.4)
  return phase < 0.52 ? 1 - ((phase - 0.4) / 0.12) ** 2 : 0
}

export interface VoiceBox {
  /** The next samples. Sound runs on from one phone to the next, as a mouth does. */
  speak(phone: Phone, samples: number, pitch: number): Int16Array
}

/** A source, three resonances of the mouth and one of the hiss. Small, and plainly no person. */
export function createVoiceBox({ pitchHz, formantScale }: Voice): VoiceBox {
  const random = randomFrom(pitchHz)
  const mouth = BANDWIDTHS_HZ.map(() => new Resonator())
  const teeth = new Resonator()
  const now = { formants: [500, 1_500, 2_500, ...UPPER_HZ], voice: 0, hiss: 0, hz: pitchHz }
  let phase = 0
  let air = 0

  const move = (phone: Phone, pitch: number): void => {
    for (const [index, resonator] of mouth.entries()) {
      const target = (phone.formants[index] ?? UPPER_HZ[index - 3] ?? 500) * formantScale
      now.formants[index] = toward(now.formants[index] ?? target, target, 0.13)
      resonator.tune(now.formants[index] ?? target, BANDWIDTHS_HZ[index] ?? 100)
    }
    teeth.tune(phone.hissHz || 3_000, 1_200)
    now.voice = toward(now.voice, phone.voice, 0.22)
    now.hiss = toward(now.hiss, phone.hiss, 0.35)
    now.hz = toward(now.hz, pitchHz * pitch, 0.05) * (1 + (random() - 0.5) * 0.006)
  }

  const sample = (): number => {
    phase = (phase + now.hz / SAMPLE_RATE_HZ) % 1
    const before = air
    air = glottis(phase)
    // The lips radiate the change of the air, not the air itself; a little breath keeps the voice from buzzing.
    let sound = (air - before) * now.voice * 2.4 + (random() - 0.5) * now.voice * air * 0.04
    for (const resonator of mouth) sound = resonator.next(sound)
    return sound + teeth.next((random() - 0.5) * now.hiss) * 0.32
  }

  return {
    speak(phone, samples, pitch) {
      const out = new Int16Array(samples)
      for (let at = 0; at < samples; at += 1) {
        if (at % BLOCK === 0) move(phone, pitch)
        out[at] = Math.round(Math.tanh(sample() * 1.6) * 26_000)
      }
      return out
    },
  }
}

const toward = (from: number, to: number, share: number): number => from + (to - from) * share
