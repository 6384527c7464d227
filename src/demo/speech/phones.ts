/** A stretch of sound: where the mouth's three resonances go, and how much of it is voice and how much is hiss. */
export interface Phone {
  readonly ms: number
  /** Resonances of the mouth, in Hz. */
  readonly formants: readonly [number, number, number]
  readonly voice: number
  readonly hiss: number
  readonly hissHz: number
  /** Begins a syllable's vowel: the pitch leans on it. */
  readonly vowel: boolean
}

type Formants = Phone['formants']

const NEUTRAL: Formants = [500, 1500, 2500]

const vowel = (ms: number, f1: number, f2: number, f3: number): Phone => ({
  ms,
  formants: [f1, f2, f3],
  voice: 1,
  hiss: 0,
  hissHz: 0,
  vowel: true,
})
const sonorant = (ms: number, voice: number, f1: number, f2: number, f3: number): Phone => ({
  ...vowel(ms, f1, f2, f3),
  voice,
  vowel: false,
})
const hissing = (ms: number, hiss: number, hissHz: number, voice = 0): Phone => ({
  ms,
  formants: NEUTRAL,
  voice,
  hiss,
  hissHz,
  vowel: false,
})

export const silence = (ms: number): Phone => hissing(ms, 0, 1_000)

const AH = vowel(95, 710, 1150, 2440)
const EH = vowel(85, 550, 1800, 2480)
const IH = vowel(75, 400, 1950, 2550)
const EE = vowel(110, 290, 2250, 3000)
const OH = vowel(95, 560, 880, 2410)
const OO = vowel(105, 320, 900, 2240)
const UH = vowel(75, 610, 1200, 2400)
const closed = silence(45)

/** Letter groups and what they sound like, longest first. English spelling deserves better, but this is heard as words. */
const SOUNDS: Readonly<Record<string, readonly Phone[]>> = {
  igh: [AH, IH],
  tion: [hissing(80, 0.5, 2800), UH, sonorant(65, 0.5, 280, 1500, 2400)],
  sh: [hissing(95, 0.5, 2800)],
  ch: [closed, hissing(70, 0.55, 2900)],
  th: [hissing(60, 0.15, 5000, 0.2)],
  ph: [hissing(75, 0.2, 4500)],
  wh: [sonorant(55, 0.55, 300, 700, 2200)],
  ck: [closed, hissing(25, 0.5, 1900)],
  ng: [sonorant(80, 0.5, 280, 2000, 2600)],
  qu: [closed, hissing(25, 0.5, 1500), sonorant(45, 0.5, 300, 700, 2200)],
  ee: [EE],
  ea: [EE],
  oo: [OO],
  ou: [AH, OO],
  ow: [AH, OO],
  ai: [EH, IH],
  ay: [EH, IH],
  oi: [OH, IH],
  oy: [OH, IH],
  er: [vowel(90, 470, 1350, 1690)],
  ar: [AH, sonorant(50, 0.7, 450, 1300, 1700)],
  a: [AH],
  e: [EH],
  i: [IH],
  o: [OH],
  u: [UH],
  y: [EE],
  m: [sonorant(75, 0.5, 270, 1100, 2200)],
  n: [sonorant(65, 0.5, 280, 1500, 2400)],
  l: [sonorant(65, 0.65, 360, 1050, 2600)],
  r: [sonorant(60, 0.65, 350, 1150, 1600)],
  w: [sonorant(55, 0.6, 300, 650, 2200)],
  j: [closed, hissing(55, 0.4, 2600, 0.3)],
  s: [hissing(90, 0.35, 6000)],
  z: [hissing(80, 0.3, 5800, 0.3)],
  c: [closed, hissing(25, 0.5, 1900)],
  x: [closed, hissing(80, 0.35, 5500)],
  f: [hissing(75, 0.2, 4500)],
  v: [hissing(55, 0.12, 4200, 0.35)],
  h: [hissing(50, 0.2, 1500)],
  p: [closed, hissing(20, 0.45, 900)],
  b: [sonorant(40, 0.15, 200, 800, 2200), hissing(12, 0.3, 800, 0.3)],
  t: [closed, hissing(25, 0.5, 4200)],
  d: [sonorant(40, 0.15, 200, 1700, 2600), hissing(12, 0.3, 3500, 0.3)],
  k: [closed, hissing(25, 0.5, 1900)],
  g: [sonorant(40, 0.15, 200, 1900, 2600), hissing(15, 0.3, 1800, 0.3)],
}

const LETTER_GROUPS = Object.keys(SOUNDS).sort((a, b) => b.length - a.length)
const DIGITS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'] as const
const SYLLABLES = ['ba', 'ne', 'mi', 'lo', 'ru', 'sa', 'de', 'ki', 'no', 'tu'] as const

/** One word as sounds. What is not a Latin letter gets a syllable of its own, so that every script is heard. */
export function phonesOf(word: string): readonly Phone[] {
  let rest = spelled(word)
  const phones: Phone[] = []
  while (rest !== '') {
    const group = LETTER_GROUPS.find((letters) => rest.startsWith(letters))
    phones.push(...(group === undefined ? [] : (SOUNDS[group] ?? [])))
    rest = rest.slice(group?.length ?? 1)
  }
  return phones
}

function spelled(word: string): string {
  const plain = word.normalize('NFD').toLowerCase().replaceAll(/\p{M}/gu, '')
  const letters = plain.replaceAll(/\d/g, (digit) => DIGITS[Number(digit)] ?? '')
  const latin = letters.replaceAll(/[^a-z'’-]/gu, (sign) => SYLLABLES[(sign.codePointAt(0) ?? 0) % SYLLABLES.length] ?? '')
  // The silent e at the end, unless it is the only vowel; and a doubled letter is one sound, but for ee and oo.
  return latin
    .replaceAll(/['’-]/g, '')
    .replace(/(?<=[aeiouy][^aeiouy]+)e$/, '')
    .replaceAll(/([^eo])\1/g, '$1')
}
