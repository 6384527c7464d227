import { z } from 'zod'
import { issueSentence } from '../../contract/index.ts'
import { clip, GatewayError, LIMITS } from '../../kernel/index.ts'
import { isRecord } from '../fault.ts'

const text = z.string()
const name = z.string().max(LIMITS.nameCharsMax * 2)
const number = z.number()
const flag = z.boolean()
const count = (max: number) => z.int().min(0).max(max)
const side = z.int().min(LIMITS.imageSidePxMin).max(LIMITS.imageSidePxMax)

/** The fields of txt2img that everybody may set. What is not named here is refused by its name. */
const OPEN = {
  prompt: text,
  negative_prompt: text,
  styles: z.array(name).max(32),
  seed: number,
  subseed: number,
  subseed_strength: number,
  seed_resize_from_h: number,
  seed_resize_from_w: number,
  sampler_name: name,
  sampler_index: name,
  scheduler: name,
  batch_size: z.int().min(1).max(LIMITS.imagesPerJobMax),
  n_iter: z.int().min(1).max(LIMITS.imagesPerJobMax),
  steps: z.int().min(1).max(LIMITS.imageStepsMax),
  cfg_scale: z.number().min(0).max(100),
  distilled_cfg_scale: z.number().min(0).max(100),
  width: side,
  height: side,
  restore_faces: flag,
  tiling: flag,
  do_not_save_samples: flag,
  do_not_save_grid: flag,
  eta: number,
  denoising_strength: z.number().min(0).max(1),
  s_min_uncond: number,
  s_churn: number,
  s_tmax: number,
  s_tmin: number,
  s_noise: number,
  refiner_checkpoint: name,
  refiner_switch_at: number,
  disable_extra_networks: flag,
  enable_hr: flag,
  firstphase_width: count(LIMITS.imageSidePxMax),
  firstphase_height: count(LIMITS.imageSidePxMax),
  hr_scale: z.number().min(1).max(4),
  hr_upscaler: name,
  hr_second_pass_steps: count(LIMITS.imageStepsMax),
  hr_resize_x: count(LIMITS.imageUpscaledSidePxMax),
  hr_resize_y: count(LIMITS.imageUpscaledSidePxMax),
  hr_checkpoint_name: name,
  hr_sampler_name: name,
  hr_scheduler: name,
  hr_prompt: text,
  hr_negative_prompt: text,
  hr_cfg: number,
  send_images: flag,
  firstpass_image: text,
  init_images: z.array(text).max(LIMITS.imagesPerJobMax),
  images: z.array(text).max(LIMITS.imagesPerJobMax),
  mask: text,
  override_settings: z.record(z.string(), z.unknown()),
  alwayson_scripts: z.record(z.string(), z.unknown()),
  force_task_id: text, // taken, and replaced by ours
} as const

/** What runs code or writes files at the backend, or changes it for everybody after. The value beside each name does none of that. */
const GUARDED = {
  script_name: 'null',
  script_args: '[]',
  save_images: 'false',
  infotext: 'null', // sets whatever the text says, settings too
  override_settings_restore_afterwards: 'true',
} as const

/** Settings that one job may have for itself; the backend puts them back afterwards. */
const SETTINGS = new Set([
  'sd_model_checkpoint',
  'sd_vae',
  'CLIP_stop_at_last_layers',
  'eta_noise_seed_delta',
  'face_restoration_model',
  'randn_source',
  'return_grid',
  'samples_format',
])

const IMAGE_FIELDS = ['init_images', 'images', 'mask', 'firstpass_image', 'alwayson_scripts'] as const
const PROMPTS = ['prompt', 'negative_prompt', 'hr_prompt', 'hr_negative_prompt'] as const

const shape = z.object(Object.fromEntries(Object.entries(OPEN).map(([field, type]) => [field, type.nullish()])))

export type Txt2Img = Readonly<Record<string, unknown>>

/** Reads a txt2img body of a caller, and answers the fields to send. */
export function inspectTxt2Img(fields: Txt2Img, mayManage: boolean): Txt2Img {
  refuseAddresses(fields)
  const parsed = shape.safeParse(fields)
  if (!parsed.success) {
    const faults = parsed.error.issues.slice(0, 4).map((issue) => issueSentence(issue, fields))
    throw new GatewayError('BODY_INVALID', { detail: clip(faults.join('; '), 1_000) })
  }
  refuseTooMuch(parsed.data)
  if (mayManage) return fields
  refuseGuarded(fields)
  refuseHiddenArguments(fields)
  const open = Object.entries(fields).filter(([field]) => Object.hasOwn(OPEN, field) || Object.hasOwn(GUARDED, field))
  return Object.fromEntries(open)
}

/** The backend fetches what looks like an address, and some extensions open what looks like a path: both would be our caller's choice. */
function refuseAddresses(fields: Txt2Img): void {
  for (const field of IMAGE_FIELDS) {
    const found = addressIn(fields[field])
    if (found === null) continue
    throw new GatewayError('BODY_INVALID', {
      detail: `${field}${clip(found, 200)}: want the picture itself as base64; addresses and paths are not followed`,
      reason: `an address or a path in ${field}`, // the rest of the place is of the caller's making
    })
  }
}

/** Where in a value the first such text stands; null when there is none. The place is spelled only when it is found: values hold millions of numbers. */
function addressIn(value: unknown): string | null {
  if (typeof value === 'string') return ADDRESS.test(value) || (value.length <= PATH_CHARS_MAX && PATH.test(value)) ? '' : null
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const found = addressIn(value[index])
      if (found !== null) return `.${index}${found}`
    }
  } else if (isRecord(value)) {
    for (const field of Object.keys(value)) {
      const found = addressIn(value[field])
      if (found !== null) return `.${field}${found}`
    }
  }
  return null
}

const ADDRESS = /^[\s\u0000-\u0020]*[a-z][a-z0-9+.-]*:[\\/]/i
/** A JPEG in base64 begins with a slash too. */
const PATH = /^[\s\u0000-\u0020]*(?!\/9j\/)(?:\/|\\|~|\.{1,2}[\\/])/
const PATH_CHARS_MAX = 4_096

function refuseTooMuch(data: Txt2Img): void {
  const whole = (field: string, otherwise: number): number => (typeof data[field] === 'number' ? data[field] : otherwise)
  const images = whole('batch_size', 1) * whole('n_iter', 1)
  if (images > LIMITS.imagesPerJobMax) {
    throw new GatewayError('BODY_INVALID', {
      detail: `batch_size times n_iter is ${images} pictures; one request takes at most ${LIMITS.imagesPerJobMax}`,
    })
  }
  const side = Math.max(whole('width', 512), whole('height', 512)) * (data.enable_hr === true ? whole('hr_scale', 2) : 1)
  if (side > LIMITS.imageUpscaledSidePxMax) {
    throw new GatewayError('BODY_INVALID', {
      detail: `hr_scale makes a side of ${Math.round(side)} pixels; at most ${LIMITS.imageUpscaledSidePxMax} are made`,
    })
  }
}

function refuseGuarded(fields: Txt2Img): void {
  for (const [field, value] of Object.entries(fields)) {
    if (Object.hasOwn(OPEN, field) || value === null) continue
    const harmless = Object.hasOwn(GUARDED, field) ? GUARDED[field as keyof typeof GUARDED] : undefined // looked up just before
    if (harmless === undefined) {
      throw new GatewayError('BODY_INVALID', {
        detail: `${clip(field, LIMITS.nameCharsMax)}: there is no such field of txt2img`,
        reason: 'unknown field',
      })
    }
    if (JSON.stringify(value) !== harmless && value !== '') {
      throw new GatewayError('POLICY_REFUSED', {
        detail: `${field} runs, saves or changes something on the image server; it needs the right manage:image`,
        reason: `guarded field ${field}`,
      })
    }
  }
  const settings = isRecord(fields.override_settings) ? fields.override_settings : {}
  const other = Object.keys(settings).find((setting) => !SETTINGS.has(setting))
  if (other !== undefined) {
    throw new GatewayError('POLICY_REFUSED', {
      detail: `override_settings.${clip(other, LIMITS.nameCharsMax)} needs the right manage:image; everybody may set ${[...SETTINGS].join(', ')}`,
      reason: 'guarded setting',
    })
  }
  const odd = Object.entries(settings).find(([, value]) => typeof value === 'object' && value !== null)
  if (odd !== undefined)
    throw new GatewayError('BODY_INVALID', {
      detail: `override_settings.${odd[0]}: want a single value`,
      reason: 'a setting that is no single value',
    })
}

/** One run after each `<`: with two, one of which may be empty, a prompt of nothing but spaces took minutes. */
const HIDDEN_ARGUMENTS = /<[\s/]*sd_cpp_extra_args/i

/** stable-diffusion.cpp, which speaks this language too, takes any of its own arguments from inside a prompt. */
export function refuseHiddenArguments(fields: Txt2Img): void {
  for (const field of PROMPTS) {
    const prompt = fields[field]
    if (typeof prompt === 'string' && HIDDEN_ARGUMENTS.test(prompt)) {
      throw new GatewayError('POLICY_REFUSED', { detail: `${field} holds arguments for the backend; that needs the right manage:image` })
    }
  }
}

/** The checkpoint that a job asks for; null takes whatever is loaded. */
export function checkpointOf({ override_settings: settings }: Txt2Img): string | null {
  const checkpoint = isRecord(settings) ? settings.sd_model_checkpoint : null
  const isSaid = typeof checkpoint === 'string' || typeof checkpoint === 'number' || typeof checkpoint === 'boolean'
  return isSaid && checkpoint !== '' ? String(checkpoint) : null
}

/** The job with a checkpoint of our choice. */
export const withCheckpoint = (job: Txt2Img, checkpoint: string | null): Txt2Img =>
  checkpoint === null
    ? job
    : { ...job, override_settings: { ...(isRecord(job.override_settings) ? job.override_settings : {}), sd_model_checkpoint: checkpoint } }

/** Whatever else a job would have loaded, by the field that names it: a second model works in the first one's place for a part of the picture. */
export function modelsBeside(job: Txt2Img): readonly { readonly field: string; readonly name: string }[] {
  const found: { field: string; name: string }[] = []
  const add = (field: string, value: unknown): void => {
    if (typeof value === 'string' && !NO_MODEL.has(value)) found.push({ field, name: value })
  }
  for (const field of ['refiner_checkpoint', 'hr_checkpoint_name']) add(field, job[field])
  const scripts = isRecord(job.alwayson_scripts) ? job.alwayson_scripts : {}
  for (const [script, given] of Object.entries(scripts)) {
    const field = `alwayson_scripts.${clip(script, LIMITS.nameCharsMax)}`
    const isRefiner = script.trim().toLowerCase() === 'refiner'
    eachText(given, (name, value) => {
      if (isRefiner || /checkpoint/i.test(name)) add(field, value)
    })
  }
  return found
}

/** What the backend and its extensions say for none, or for the same one. */
const NO_MODEL: ReadonlySet<string> = new Set(['', 'None', 'none', 'Use same checkpoint'])

/** Each text in a value, with the name that it stands under. */
function eachText(value: unknown, look: (name: string, text: string) => void, name = ''): void {
  if (typeof value === 'string') look(name, value)
  else if (Array.isArray(value)) for (const item of value) eachText(item, look, name)
  else if (isRecord(value)) for (const field of Object.keys(value)) eachText(value[field], look, field)
}
