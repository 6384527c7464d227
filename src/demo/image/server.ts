import { createHash } from 'node:crypto'
import { type Clock, LIMITS } from '../../kernel/index.ts'
import { asFields, asText, type Fields, parseFields, readBytes } from '../http/body.ts'
import { type Call, type Handler, Refusal, type StandIn, sendJson, serve } from '../http/serve.ts'
import { envelope, type ImageOrder, readOrder, SAMPLERS } from './order.ts'
import { createStudio, type Job, type Studio } from './studio.ts'

export interface ImageOptions {
  readonly port?: number
  readonly clock: Clock
  /** How long one step takes. */
  readonly stepMs: number
}

/** Not the name of the text stand-in's model, which would find this one over /v1. */
const MODEL = 'stand-in-pictures'
const HASH = '0000000000'
const TITLE = `${MODEL}.safetensors [${HASH}]`
const SCHEDULERS = ['Automatic', 'Uniform', 'Karras', 'Exponential'] as const

/** AUTOMATIC1111's interface in front of a painter of landscapes. */
export async function startImageStandIn({ port = 0, clock, stepMs }: ImageOptions): Promise<StandIn> {
  const studio = createStudio(clock, stepMs)
  const routes = { ...workRoutes(studio, clock), ...listRoutes() }
  const methods = ['GET', 'POST'] as const
  const server = await serve(
    (call) => {
      const handler = routes[`${call.req.method} ${call.path}`]
      if (handler !== undefined) return handler(call)
      const known = methods.some((method) => routes[`${method} ${call.path}`] !== undefined)
      throw new Refusal(known ? 405 : 404, { detail: known ? 'Method Not Allowed' : 'Not Found' })
    },
    { port },
  )
  return {
    ...server,
    close() {
      studio.close()
      return server.close()
    },
  }
}

function workRoutes(studio: Studio, clock: Clock): Readonly<Record<string, Handler>> {
  return {
    'POST /sdapi/v1/txt2img': (call) => paint(call, studio, clock),
    'POST /sdapi/v1/img2img': (call) => paint(call, studio, clock, initImageHash),
    'GET /sdapi/v1/progress': ({ res }) => sendJson(res, 200, progressOf(studio.current(), clock)),
    'POST /sdapi/v1/interrupt': ({ res }) => {
      studio.interrupt()
      sendJson(res, 200, {})
    },
    'POST /sdapi/v1/skip': ({ res }) => {
      studio.skip()
      sendJson(res, 200, null)
    },
  }
}

async function paint(call: Call, studio: Studio, clock: Clock, hashOf = (_echo: Fields): string | null => null): Promise<void> {
  const startedMs = clock.monoMs()
  const order = readOrder(await readBytes(call, LIMITS.imageBodyBytesMax))
  const hash = hashOf(order.echo)
  const { job, images } = await studio.paint(order, infotext)
  if (call.left.aborted) return
  call.res.setHeader('x-process-time', ((clock.monoMs() - startedMs) / 1_000).toFixed(4))
  sendJson(call.res, 200, {
    images: images.map((png) => png.toString('base64')),
    parameters: hash === null ? order.echo : { ...order.echo, init_images: null, mask: null },
    info: JSON.stringify({ ...infoOf(job, images.length), ...(hash !== null && { extra_generation_params: { 'Init image hash': hash } }) }),
  })
}

/** What a picture to begin with is known by: this painter begins with an empty canvas whatever it is given, and says what that was. */
function initImageHash({ init_images: given }: Fields): string {
  const [first]: readonly unknown[] = Array.isArray(given) ? given : []
  if (first === undefined) throw envelope(404, 'Init image not found')
  if (/^https?:/i.test(asText(first))) throw envelope(500, 'Request to local resource not allowed')
  const base64 = asText(first).replace(/^data:image\/[a-z]+;base64,/, '')
  if (!/^[A-Za-z0-9+/]+=*$/.test(base64)) throw envelope(500, 'Invalid encoded image')
  return createHash('sha256').update(Buffer.from(base64, 'base64')).digest('hex').slice(0, 10)
}

/** The recipe as A1111 writes it into a picture. */
function infotext({ prompt, negativePrompt, steps, sampler, cfgScale, seed, width, height }: ImageOrder): string {
  const facts = `Steps: ${steps}, Sampler: ${sampler}, CFG scale: ${cfgScale}, Seed: ${seed}, Size: ${width}x${height}, Model: ${MODEL}`
  return [prompt, ...(negativePrompt === '' ? [] : [`Negative prompt: ${negativePrompt}`]), `${facts}, Version: stand-in`].join('\n')
}

function infoOf({ order, timestamp, interrupted }: Job, count: number) {
  const each = <T>(make: (index: number) => T): T[] => Array.from({ length: count }, (_value, index) => make(index))
  return {
    prompt: order.prompt,
    all_prompts: each(() => order.prompt),
    negative_prompt: order.negativePrompt,
    seed: order.seed,
    all_seeds: each((index) => (order.seed + index) % 2 ** 32),
    subseed: 0,
    width: order.width,
    height: order.height,
    sampler_name: order.sampler,
    cfg_scale: order.cfgScale,
    steps: order.steps,
    batch_size: count,
    sd_model_name: MODEL,
    sd_model_hash: HASH,
    infotexts: each((index) => infotext({ ...order, seed: (order.seed + index) % 2 ** 32 })),
    job_timestamp: timestamp,
    interrupted,
    stand_in: true,
  }
}

const IDLE = { skipped: false, interrupted: false, stopping_generation: false, job: '', job_count: 0, job_timestamp: '0', job_no: 0 }

/** Of whoever's job is on the easel: A1111 has one state for everybody. */
function progressOf(job: Job | null, clock: Clock) {
  if (job === null) {
    const state = { ...IDLE, sampling_step: 0, sampling_steps: 0 }
    return { progress: 0, eta_relative: 0, state, current_image: null, textinfo: null, current_task: null }
  }
  const { order, image, step } = job
  const progress = Math.min(1, 0.01 + (image + step / order.steps) / order.images)
  const spentS = (clock.monoMs() - job.startedMs) / 1_000
  const state = {
    ...IDLE,
    skipped: job.skipped,
    interrupted: job.interrupted,
    job: order.taskId,
    job_count: order.images,
    job_timestamp: job.timestamp,
    job_no: image,
    sampling_step: step,
    sampling_steps: order.steps,
  }
  return { progress, eta_relative: spentS / progress - spentS, state, current_image: null, textinfo: null, current_task: order.taskId }
}

function listRoutes(): Readonly<Record<string, Handler>> {
  const options: Record<string, unknown> = { samples_format: 'png', sd_model_checkpoint: TITLE }
  const model = { title: TITLE, model_name: MODEL, hash: HASH, sha256: null, filename: `${MODEL}.safetensors`, config: null }
  const lists: Readonly<Record<string, unknown>> = {
    'sd-models': [model],
    samplers: SAMPLERS.map((sampler) => ({ ...sampler, options: {} })),
    schedulers: SCHEDULERS.map((label) => ({ name: label.toLowerCase(), label, aliases: null, default_rho: -1, need_inner_model: false })),
    options,
  }
  const reads = Object.entries(lists).map(([name, list]): [string, Handler] => [
    `GET /sdapi/v1/${name}`,
    ({ res }) => sendJson(res, 200, list),
  ])
  const setOptions: Handler = async (call) => {
    const fields = asFields(parseFields(await readBytes(call, LIMITS.adminBodyBytesMax))) ?? {}
    const checkpoint = fields.sd_model_checkpoint
    if (checkpoint !== undefined && ![TITLE, MODEL].includes(asText(checkpoint)))
      throw envelope(500, `model '${String(checkpoint)}' not found`)
    Object.assign(options, fields, { sd_model_checkpoint: TITLE })
    sendJson(call.res, 200, null)
  }
  return { ...Object.fromEntries(reads), 'POST /sdapi/v1/options': setOptions }
}
