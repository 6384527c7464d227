import { type Edit, foldKey, parseFields, parseObject, refuseAmbiguousKeys, scanObject, type TopLevelKey } from '../../http/index.ts'
import { clip, GatewayError, LIMITS } from '../../kernel/index.ts'
import type { ReadBody } from '../tokens.ts'

/** Every outermost name that Ollama's inference bodies know. */
export const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'name',
  'prompt',
  'suffix',
  'system',
  'template',
  'context',
  'stream',
  'raw',
  'format',
  'keep_alive',
  'images',
  'options',
  'think',
  'truncate',
  'shift',
  'messages',
  'tools',
  'input',
  'dimensions',
  'logprobs',
  'top_logprobs',
  'verbose',
])

/** What this policy judges; of a long body nothing else is parsed. */
const GUARDED = new Set(['model', 'name', 'stream', 'keep_alive', 'options'])

/** Options that make Ollama reload a model's runner for everybody. `num_ctx` is one too, but clients need it, so it is bounded instead. */
const RUNNER_OPTIONS = new Set([
  'num_gpu',
  'main_gpu',
  'num_thread',
  'num_batch',
  'use_mmap',
  'use_mlock',
  'low_vram',
  'numa',
  'vocab_only',
])

export interface OllamaRules {
  /** Holders of manage:chat may shape the runner, keep models loaded and unload them. */
  readonly mayManage: boolean
  readonly allowCloudModels: boolean
}

export interface InspectedBody {
  /** What must change in it before it is sent. */
  readonly edits: readonly Edit[]
  readonly model: string
  /** What was read. */
  readonly read: ReadBody
}

/** Reads a body that Ollama is about to obey, and answers what must change in it: nothing, but for a keep_alive that is out of bounds. */
export function inspectOllamaBody(body: Buffer, rules: OllamaRules): InspectedBody {
  const keys = scanObject(body)
  refuseAmbiguousKeys(keys, KNOWN)
  const fields = body.length > LIMITS.jsonWholeBytesMax ? parseFields(body, keys, GUARDED) : parseObject(body)
  const model = modelOf(fields)
  if (!rules.mayManage) checkName(model)
  const read = { bytes: body, keys, fields }
  return { edits: judgedEdits(read, model, rules), model, read }
}

/** What must change in a body before Ollama may obey it; throws what may not be asked of it at all. */
export function judgedEdits({ keys, fields }: Pick<ReadBody, 'keys' | 'fields'>, model: string, rules: OllamaRules): readonly Edit[] {
  if (!rules.allowCloudModels && isCloudModel(model)) {
    throw new GatewayError('POLICY_REFUSED', {
      detail: `"${clip(model, LIMITS.modelCharsMax)}" runs in Ollama's cloud on the account of this host; cloud models are not allowed here`,
      reason: 'cloud model',
    })
  }
  if (rules.mayManage) return NO_EDITS
  checkOptions(fields.options)
  return clampKeepAlive(keys, fields.keep_alive)
}

const NO_EDITS: readonly Edit[] = Object.freeze([])

function modelOf(fields: Readonly<Record<string, unknown>>): string {
  for (const name of ['model', 'name'] as const) {
    const value = fields[name]
    if (value !== undefined && typeof value !== 'string') throw new GatewayError('BODY_INVALID', { detail: `"${name}" must be a text` })
    if (typeof fields.model === 'string' && typeof fields.name === 'string' && fields.model !== fields.name) {
      throw new GatewayError('BODY_AMBIGUOUS', { detail: '"model" and "name" differ; remove "name"' })
    }
  }
  if (fields.stream !== undefined && fields.stream !== null && typeof fields.stream !== 'boolean') {
    throw new GatewayError('BODY_INVALID', { detail: '"stream" must be true or false' })
  }
  return String(fields.model ?? fields.name ?? '')
}

/** Ollama trims some spellings that it goes on with, and cuts off whatever stands before `://`: a name must be the one that everybody here reads. */
function checkName(model: string): void {
  if (NAME.test(model) && !model.includes('://')) return
  throw new GatewayError('BODY_INVALID', {
    detail: '"model" must be a name as Ollama lists it: letters, digits and . _ : / - only, and no "://"',
    reason: 'a model name that Ollama does not list',
  })
}

const NAME = /^[A-Za-z0-9._:/-]*$/

/**
 * `gpt-oss:120b-cloud`, `x:cloud`: the suffix sends the prompt to ollama.com. Ollama reads it without case, and without the white space around it, of
 * which U+0085 is a part in Go.
 */
export const isCloudModel = (model: string): boolean => /[:-][\s\u0085]*cloud[\s\u0085]*$/i.test(model)

function checkOptions(options: unknown): void {
  if (options === undefined || options === null) return
  if (typeof options !== 'object' || Array.isArray(options))
    throw new GatewayError('BODY_INVALID', { detail: '"options" must be an object' })
  for (const [name, value] of Object.entries(options)) {
    const folded = foldKey(name)
    if (RUNNER_OPTIONS.has(folded)) {
      throw new GatewayError('POLICY_REFUSED', {
        detail: `options.${folded} reloads the model for everybody; it needs the right manage:chat`,
      })
    }
    if (folded === 'num_ctx' && (name !== folded || typeof value !== 'number' || value > LIMITS.ollamaNumCtxMax)) {
      throw new GatewayError('POLICY_REFUSED', { detail: `options.num_ctx must be a number of at most ${LIMITS.ollamaNumCtxMax}` })
    }
  }
}

/**
 * Below the minimum a caller unloads the model for everybody (0 with an empty prompt does nothing else), above the maximum, or below
 * zero, one caller pins it. Only the value's own bytes are replaced.
 */
function clampKeepAlive(keys: readonly TopLevelKey[], value: unknown): readonly Edit[] {
  const span = keys.find(({ name }) => name === 'keep_alive')
  if (span === undefined || value === null) return NO_EDITS
  const wantedMs = keepAliveMs(value)
  const allowedMs = Math.min(Math.max(wantedMs, LIMITS.ollamaKeepAliveMsMin), LIMITS.ollamaKeepAliveMsMax)
  return allowedMs === wantedMs ? NO_EDITS : [{ start: span.start, end: span.end, text: `"${allowedMs / 1_000}s" ` }]
}

const GO_DURATION = /^[-+]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/
/** Finds from every digit anew, so it is only for what is short and a duration. */
const GO_PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g
const DURATION_CHARS_MAX = 32
const GO_UNIT_MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1e3, m: 6e4, h: 3.6e6 }

/** Seconds as a number, or Go's duration text; anything negative means for ever. */
function keepAliveMs(value: unknown): number {
  if (typeof value === 'number') return value < 0 ? Number.POSITIVE_INFINITY : value * 1_000
  if (typeof value === 'string' && value === '0') return 0
  if (typeof value !== 'string' || value.length > DURATION_CHARS_MAX || !GO_DURATION.test(value)) {
    throw new GatewayError('BODY_INVALID', { detail: '"keep_alive" must be seconds as a number, or a duration such as "5m"' })
  }
  if (value.startsWith('-')) return Number.POSITIVE_INFINITY
  let ms = 0
  for (const [, amount = '', unit = ''] of value.matchAll(GO_PART)) ms += Number(amount) * (GO_UNIT_MS[unit] ?? 0)
  return ms
}
