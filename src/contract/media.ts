import { z } from 'zod'
import { LIMITS } from '../kernel/index.ts'

/** Wire shapes of the gate's own media routes: the same whatever backend stands behind them. */

const printable = z.string().regex(/^[^\p{Cc}]*$/u, 'holds control characters')

/** `+10%` as Edge-TTS writes it; OpenAI-style backends get the speed that it means. */
const ratePercent = z
  .string()
  .regex(/^[+-]?\d{1,3}%$/, 'must be a change of speed such as +10% or -25%')
  .transform((text) => Number.parseInt(text, 10))
  .refine((percent) => percent >= -75 && percent <= 300, 'must be a change of speed from -75% to +300%')

export const SPEECH_FORMATS = ['mp3', 'opus', 'aac', 'flac', 'wav', 'pcm'] as const
export type SpeechFormat = (typeof SPEECH_FORMATS)[number]

export const speakInput = z.strictObject({
  text: z.string().refine((text) => text.trim() !== '', 'is empty: there is nothing to speak'),
  voice: printable.min(1).max(LIMITS.nameCharsMax).nullish(),
  rate: ratePercent.nullish(),
  format: z.enum(SPEECH_FORMATS).nullish(),
  model: printable.min(1).max(LIMITS.nameCharsMax).nullish(),
})

export const voiceView = z.object({
  id: z.string(),
  name: z.string().optional(),
  gender: z.string().optional(),
  language: z.string().optional(),
})
export type VoiceView = z.infer<typeof voiceView>

export const voicesAnswer = z.object({ voices: z.array(voiceView) })

export const simpleImageInput = z.strictObject({
  prompt: z.string().refine((text) => text.trim() !== '', 'is empty: there is nothing to draw'),
  negative_prompt: z.string().nullish(),
  steps: z.int().min(1).max(LIMITS.imageStepsMax).default(20),
  width: z.int().min(LIMITS.imageSidePxMin).max(LIMITS.imageSidePxMax).default(512),
  height: z.int().min(LIMITS.imageSidePxMin).max(LIMITS.imageSidePxMax).default(512),
  cfg_scale: z.number().min(0).max(100).default(7),
  sampler: printable.min(1).max(LIMITS.nameCharsMax).default('Euler a'),
  seed: z.int().min(-1).max(0xffff_ffff).default(-1),
})
export type SimpleImageInput = z.infer<typeof simpleImageInput>

export const simpleImageAnswer = z.object({
  image: z.string(), // base64, no `data:` before it
  parameters: z.record(z.string(), z.unknown()),
  info: z.record(z.string(), z.unknown()),
})
export type SimpleImageAnswer = z.infer<typeof simpleImageAnswer>

/** What Whisper was taught; a backend given another code fails in ways of its own, one of them by ending. */
export const WHISPER_LANGUAGES: ReadonlySet<string> = new Set(
  (
    'af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it ja jw ka kk ' +
    'km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te ' +
    'tg th tk tl tr tt uk ur uz vi yi yo yue zh'
  ).split(' '),
)

export const TRANSCRIPT_FORMATS = ['json', 'text', 'srt', 'vtt', 'verbose_json'] as const
export type TranscriptFormat = (typeof TRANSCRIPT_FORMATS)[number]

/** Options of a transcription, as texts: they are form fields, or come in the query. */
export const transcribeOptions = z.strictObject({
  language: z
    .string()
    .transform((code) => code.toLowerCase())
    .refine((code) => code === 'auto' || WHISPER_LANGUAGES.has(code), 'must be a language code that Whisper knows, such as en, or auto')
    .optional(),
  task: z.enum(['transcribe', 'translate']).default('transcribe'),
  prompt: z.string().max(LIMITS.transcriptPromptCharsMax).optional(),
  temperature: z
    .string()
    .regex(/^\d(?:\.\d{1,6})?$/, 'must be a number from 0 to 1')
    .transform(Number)
    .refine((degrees) => degrees <= 1, 'must be a number from 0 to 1')
    .optional(),
  response_format: z.enum([...TRANSCRIPT_FORMATS, 'txt']).default('json'), // `txt` is what whisper-asr-webservice calls text
  model: printable.max(LIMITS.nameCharsMax).optional(),
})

export const transcriptAnswer = z.object({ text: z.string() })

export const transcriptSegment = z.object({
  id: z.number().int(),
  start: z.number(),
  end: z.number(),
  text: z.string(),
  temperature: z.number().optional(),
  avg_logprob: z.number().optional(),
  compression_ratio: z.number().optional(),
  no_speech_prob: z.number().optional(),
})
export type TranscriptSegment = z.infer<typeof transcriptSegment>

export const verboseTranscriptAnswer = z.object({
  task: z.enum(['transcribe', 'translate']),
  language: z.string(),
  duration: z.number().optional(), // seconds, where the backend tells
  text: z.string(),
  segments: z.array(transcriptSegment),
})
export type VerboseTranscriptAnswer = z.infer<typeof verboseTranscriptAnswer>
