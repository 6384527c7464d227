export interface Voice {
  readonly shortName: string
  readonly locale: string
  readonly gender: 'Female' | 'Male'
  /** The pitch it speaks around. */
  readonly pitchHz: number
  /** How much shorter its mouth is than the one the vowels were measured in. */
  readonly formantScale: number
}

const voice = (shortName: string, gender: Voice['gender'], pitchHz: number, formantScale: number): Voice => ({
  shortName,
  locale: shortName.split('-').slice(0, 2).join('-'),
  gender,
  pitchHz,
  formantScale,
})

export const VOICES: readonly Voice[] = [
  voice('en-US-JennyNeural', 'Female', 205, 1.16),
  voice('en-US-AriaNeural', 'Female', 190, 1.13),
  voice('en-US-GuyNeural', 'Male', 112, 1),
  voice('en-GB-SoniaNeural', 'Female', 215, 1.18),
  voice('en-GB-RyanNeural', 'Male', 122, 1.03),
  voice('de-DE-KatjaNeural', 'Female', 196, 1.14),
  voice('fr-FR-DeniseNeural', 'Female', 222, 1.17),
]

/** An entry as edge-tts lists it. The friendly name says what it is. */
export const edgeEntry = ({ shortName, locale, gender }: Voice) => ({
  Name: `Microsoft Server Speech Text to Speech Voice (${locale}, ${shortName.slice(locale.length + 1)})`,
  ShortName: shortName,
  Gender: gender,
  Locale: locale,
  SuggestedCodec: 'riff-24khz-16bit-mono-pcm',
  FriendlyName: `Stand-in for ${shortName}: syllables, not speech`,
  Status: 'Stand-in',
  VoiceTag: { ContentCategories: ['General'], VoicePersonalities: [] },
})
