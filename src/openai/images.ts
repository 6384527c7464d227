import type { Model } from '../catalog/index.ts'
import { type OpenaiImageInput, openaiEditInput, openaiImageInput } from '../contract/index.ts'
import {
  countedPictures,
  type FormFilePart,
  operationOf,
  type PictureJob,
  passesThrough,
  passForm,
  passPlan,
  type ReadBody,
  refuseHiddenArguments,
  refuseRemote,
  refuseRemoteFields,
} from '../dialects/index.ts'
import { readInput, type Visit, wantForm } from '../gate/index.ts'
import { parseFields, readBody, type Share } from '../http/index.ts'
import { GatewayError, LIMITS } from '../kernel/index.ts'
import { readV1 } from './body.ts'
import { findImageModel } from './find-model.ts'
import { isTrue, mediaLifeOf } from './life.ts'
import type { FaceParts, Prepare } from './parts.ts'
import { parseForm, type WholeForm } from './whole-form.ts'

/** `POST /v1/images/generations`. */
export function prepareImages({ models, clock, heartbeatMs }: FaceParts): Prepare {
  return async (visit, room) => {
    const body = await readV1(visit, room, LIMITS.imageBodyBytesMax)
    const model = findImageModel(models, visit.principal, body.fields.model, 'images')
    visit.model = model.name
    const wanted = demandImages(visit, model, body.fields.n)
    return {
      model,
      protocol: 'images',
      planAt({ endpoint, upstream }, { options }) {
        if (passesThrough(endpoint.dialect)) {
          if (!mayManage(visit)) refuseHiddenArguments(promptsOf(body))
          if (endpoint.remote === 'refuse') refuseRemote(body, 'images')
          const passing = {
            protocol: 'images',
            endpoint,
            mayManage: false,
            body,
            upstream,
            name: model.name,
            options,
            headers: {},
          } as const
          return countedPictures(passPlan(passing), wanted)
        }
        const input = readInput(openaiImageInput, { ...options, ...body.fields })
        return operationOf(
          endpoint.dialect,
          'pictures',
        )(jobOf(input, visit, { checkpoint: upstream, nowMs: clock.nowMs(), original: null }))
      },
      life: body.fields.stream === true ? mediaLifeOf('images', { models, model, heartbeatMs }, visit) : null,
    }
  }
}

const PROMPTS: ReadonlySet<string> = new Set(['prompt', 'negative_prompt'])
/** Of a long body they were not parsed. */
const promptsOf = ({ bytes, keys }: ReadBody) => parseFields(bytes, keys, PROMPTS)
const mayManage = ({ principal }: Visit): boolean => principal?.rights.has('manage:image') ?? false

/** `POST /v1/images/edits`: a form with pictures, which a backend wants as base64, so it is read whole. */
export function prepareEdits({ models, clock, heartbeatMs }: FaceParts): Prepare {
  return async (visit, room) => {
    const form = await readForm(visit, room)
    const fields: Record<string, unknown> = Object.fromEntries(form.fields)
    const model = findImageModel(models, visit.principal, fields.model, 'edits')
    visit.model = model.name
    const wanted = demandImages(visit, model, fields.n)
    return {
      model,
      protocol: 'edits',
      planAt({ endpoint, upstream }, { options }) {
        if (passesThrough(endpoint.dialect)) {
          if (!mayManage(visit)) refuseHiddenArguments(fields)
          if (endpoint.remote === 'refuse') refuseRemoteFields(form.fields)
          const plan = passForm({ protocol: 'edits', root: endpoint.apiRoot, fields: form.fields, upstream, name: model.name }, form.files)
          return countedPictures(plan, wanted)
        }
        const { strength, ...input } = readInput(openaiEditInput, { ...options, ...fields })
        const original = { ...picturesIn(form.files), strength: strength ?? null }
        return operationOf(endpoint.dialect, 'pictures')(jobOf(input, visit, { checkpoint: upstream, nowMs: clock.nowMs(), original }))
      },
      life: isTrue(fields.stream) ? mediaLifeOf('edits', { models, model, heartbeatMs }, visit) : null,
    }
  }
}

/** What the gate reads of a form, or judges by. */
const SAID_ONCE: ReadonlySet<string> = new Set(['model', ...Object.keys(openaiEditInput.shape)])

async function readForm(visit: Visit, room: Share): Promise<WholeForm> {
  wantForm(visit.envelope)
  const bytes = await readBody(visit.envelope, LIMITS.imageBodyBytesMax, room)
  visit.held(bytes.length)
  return parseForm(bytes, visit.envelope.headers.contentType, SAID_ONCE)
}

function picturesIn(files: readonly FormFilePart[]): { image: Buffer; mask: Buffer | null } {
  const images = files.filter(({ name }) => name === 'image' || name === 'image[]')
  const [image] = images
  if (image === undefined) throw new GatewayError('BODY_INVALID', { detail: '"image" is missing: send the picture as a file of the form' })
  if (images.length > 1)
    throw new GatewayError('BODY_INVALID', { detail: 'image: this image backend draws over one picture, not over several' })
  return { image: image.bytes, mask: files.find(({ name }) => name === 'mask')?.bytes ?? null }
}

const COUNT_MAX = 10

/** How many pictures are asked for, whoever is to make them: what they cost is reserved before. A form says it as a text. */
function countOf(n: unknown): number {
  const count = typeof n === 'string' && /^\d{1,2}$/.test(n) ? Number(n) : (n ?? 1)
  if (typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= COUNT_MAX) return count
  throw new GatewayError('BODY_INVALID', { detail: `n: must be a whole number from 1 to ${COUNT_MAX}`, hints: { param: 'n' } })
}

function demandImages(visit: Visit, model: Model, n: unknown): number {
  const images = countOf(n)
  visit.demand = { model, price: model.price, least: NOTHING, most: { images } }
  return images
}
const NOTHING = Object.freeze({}) // a picture that was not made costs nothing

type Rest = Pick<PictureJob, 'checkpoint' | 'nowMs' | 'original'>

const jobOf = (input: OpenaiImageInput, { envelope }: Visit, rest: Rest): PictureJob => ({
  prompt: input.prompt,
  negativePrompt: input.negative_prompt ?? '',
  n: input.n ?? 1,
  size: input.size ?? null,
  quality: input.quality ?? null,
  steps: input.steps ?? null,
  cfgScale: input.cfg_scale ?? null,
  seed: input.seed ?? null,
  sampler: input.sampler ?? null,
  taskId: envelope.id,
  format: input.output_format ?? null,
  asUrl: input.response_format === 'url',
  streams: input.stream ?? false,
  ...rest,
})
