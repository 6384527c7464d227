import { randomInt } from 'node:crypto'
import { asFields, type Fields, parseFields } from '../http/body.ts'
import { Refusal } from '../http/serve.ts'
import type { Order } from './painting.ts'

/** A txt2img request as read: what to paint, how often, and everything as it is echoed. */
export interface ImageOrder extends Order {
  readonly negativePrompt: string
  readonly cfgScale: number
  readonly sampler: string
  readonly images: number
  readonly taskId: string
  readonly echo: Fields
}

interface Field {
  readonly kind: 'int' | 'number' | 'text'
  readonly fallback: number | string | null
  readonly min?: number
  readonly max?: number
}

const int = (fallback: number, min: number, max: number): Field => ({ kind: 'int', fallback, min, max })
const text = (fallback: string | null): Field => ({ kind: 'text', fallback })

/** A1111's own names and defaults. The bounds are ours: the real one takes any size and then runs out of memory. */
const FIELDS = {
  prompt: text(''),
  negative_prompt: text(''),
  seed: int(-1, -1, 2 ** 32 - 1),
  subseed: int(-1, -1, 2 ** 32 - 1),
  batch_size: int(1, 1, 4),
  n_iter: int(1, 1, 4),
  steps: int(50, 1, 150),
  cfg_scale: { kind: 'number', fallback: 7, min: 0, max: 30 },
  width: int(512, 16, 2_048),
  height: int(512, 16, 2_048),
  sampler_name: text(null),
  sampler_index: text('Euler'),
  scheduler: text(null),
  force_task_id: text(null),
} as const satisfies Record<string, Field>

export const SAMPLERS: readonly { readonly name: string; readonly aliases: readonly string[] }[] = [
  { name: 'DPM++ 2M', aliases: ['k_dpmpp_2m'] },
  { name: 'DPM++ SDE', aliases: ['k_dpmpp_sde'] },
  { name: 'Euler a', aliases: ['k_euler_a', 'k_euler_ancestral'] },
  { name: 'Euler', aliases: ['k_euler'] },
  { name: 'LMS', aliases: ['k_lms'] },
  { name: 'Heun', aliases: ['k_heun'] },
  { name: 'DDIM', aliases: ['ddim'] },
  { name: 'UniPC', aliases: ['unipc'] },
]

export function envelope(status: number, detail: string): Refusal {
  return new Refusal(status, { error: 'HTTPException', detail, body: '', errors: '' })
}

export function readOrder(bytes: Buffer): ImageOrder {
  if (bytes.length === 0) throw invalid([{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }])
  const fields = parseFields(bytes)
  if (fields === null) throw invalid([{ type: 'json_invalid', loc: ['body', 0], msg: 'JSON decode error', input: {} }])
  const read = validated(fields)
  const wanted = String(read.sampler_name ?? read.sampler_index).toLowerCase()
  const sampler = SAMPLERS.find(({ name, aliases }) => name.toLowerCase() === wanted || aliases.includes(wanted))
  if (sampler === undefined) throw envelope(404, 'Sampler not found')
  const number = (name: keyof typeof FIELDS): number => Number(read[name])
  return {
    prompt: String(read.prompt),
    negativePrompt: String(read.negative_prompt),
    seed: number('seed') === -1 ? randomInt(2 ** 32) : number('seed'),
    steps: number('steps'),
    width: number('width'),
    height: number('height'),
    cfgScale: number('cfg_scale'),
    sampler: sampler.name,
    images: number('batch_size') * number('n_iter'),
    taskId: read.force_task_id === null ? `task(txt2img-${randomInt(1_000_000_000)})` : String(read.force_task_id),
    echo: { ...fields, ...read },
  }
}

type Fault = Readonly<{ type: string; loc: readonly (string | number)[]; msg: string; input: unknown }>

const invalid = (faults: readonly Fault[]): Refusal => new Refusal(422, { detail: faults })

/** Every fault at once, as FastAPI lists them. */
function validated(fields: Fields): Fields {
  const faults: Fault[] = []
  const read: Record<string, unknown> = {}
  for (const [name, field] of Object.entries<Field>(FIELDS)) {
    const input = fields[name] ?? field.fallback
    const value = field.kind === 'text' ? input : numeric(input)
    const fault = faultOf(field, value)
    if (fault !== null) faults.push({ type: fault[0], loc: ['body', name], msg: fault[1], input })
    read[name] = value
  }
  if (asFields(fields.override_settings ?? {}) === null) {
    faults.push({
      type: 'dict_type',
      loc: ['body', 'override_settings'],
      msg: 'Input should be a valid dictionary',
      input: fields.override_settings,
    })
  }
  if (faults.length > 0) throw invalid(faults)
  return read
}

/** Numbers may come as text, as pydantic lets them. */
const numeric = (input: unknown): unknown => (typeof input === 'string' && /^-?\d+(?:\.\d+)?$/.test(input) ? Number(input) : input)

function faultOf({ kind, min = -Infinity, max = Infinity }: Field, value: unknown): readonly [type: string, message: string] | null {
  if (kind === 'text') return value === null || typeof value === 'string' ? null : ['string_type', 'Input should be a valid string']
  if (typeof value !== 'number')
    return [`${kind === 'int' ? 'int' : 'float'}_type`, `Input should be a valid ${kind === 'int' ? 'integer' : 'number'}`]
  if (kind === 'int' && !Number.isInteger(value))
    return ['int_from_float', 'Input should be a valid integer, got a number with a fractional part']
  if (value < min) return ['greater_than_equal', `Input should be greater than or equal to ${min}`]
  return value > max ? ['less_than_equal', `Input should be less than or equal to ${max}`] : null
}
