import { z } from 'zod'
import { LIMITS } from '../kernel/index.ts'
import { SPEECH_FORMATS } from './media.ts'

/** What the /v1 face reads where it translates for a backend of another language. Fields that it does not know are for backends that do, and pass over. */

const printable = z.string().regex(/^[^\p{Cc}]*$/u, 'holds control characters')
const spoken = (text: string): boolean => text.trim() !== ''

export const openaiSpeechInput = z.looseObject({
  input: z.string().refine(spoken, 'is empty: there is nothing to speak'),
  voice: printable.min(1).max(LIMITS.nameCharsMax).nullish(),
  response_format: z.enum(SPEECH_FORMATS).nullish(),
  speed: z.number().min(0.25).max(4).nullish(),
  stream_format: z.enum(['audio', 'sse']).nullish(),
})

const SIZE = /^(\d{2,4})x(\d{2,4})$/
const side = (text: string): number => Number(text)
const inRange = (px: number): boolean => px >= LIMITS.imageSidePxMin && px <= LIMITS.imageSidePxMax && px % 8 === 0

/** `512x768`; null leaves the choice to the gate. */
const size = z
  .string()
  .transform((text, issues) => {
    if (text === 'auto') return null
    const [, width = '', height = ''] = SIZE.exec(text) ?? []
    if (inRange(side(width)) && inRange(side(height))) return { width: side(width), height: side(height) }
    const message = `must be auto, or a size such as 512x768 with sides from ${LIMITS.imageSidePxMin} to ${LIMITS.imageSidePxMax} that eight divides`
    issues.addIssue({ code: 'custom', message })
    return z.NEVER
  })
  .nullish()

const QUALITIES = ['auto', 'low', 'medium', 'standard', 'high', 'hd'] as const

/** A form has texts only, and JSON numbers: both are taken. */
const whole = (min: number, max: number) => z.coerce.number<number | string>().int().min(min).max(max).nullish()

const imageFields = {
  prompt: z.string().refine(spoken, 'is empty: there is nothing to draw'),
  n: whole(1, 10),
  size,
  quality: z.enum(QUALITIES).nullish(),
  response_format: z.enum(['b64_json', 'url']).nullish(),
  output_format: z.enum(['png', 'jpeg', 'webp']).nullish(),
  stream: z.union([z.boolean(), z.stringbool()]).nullish(),
  // What Stable Diffusion has beside it.
  negative_prompt: z.string().nullish(),
  steps: whole(1, LIMITS.imageStepsMax),
  cfg_scale: z.coerce.number<number | string>().min(0).max(100).nullish(),
  seed: whole(-1, 0xffff_ffff),
  sampler: printable.min(1).max(LIMITS.nameCharsMax).nullish(),
}
export const openaiImageInput = z.looseObject(imageFields)
export const openaiEditInput = z.looseObject({ ...imageFields, strength: z.coerce.number<number | string>().min(0).max(1).nullish() })
export type OpenaiImageInput = z.output<typeof openaiImageInput>

export const openaiImageAnswer = z.object({ created: z.number(), data: z.array(z.object({ b64_json: z.string() })) })
