import type { Model } from '../catalog/index.ts'
import { type OpenaiImageInput, openaiEditInput, openaiImageInput } from '../contract/index.ts'
import { type FormFilePart, operationOf, type PictureJob, passesThrough, passForm, passPlan } from '../dialects/index.ts'
import { readInput, type Visit, wantForm } from '../gate/index.ts'
import { readBody, type Share } from '../http/index.ts'
import { GatewayError, LIMITS } from '../kernel/index.ts'
import { readV1 } from './body.ts'
import { findImageModel } from './find-model.ts'
import type { FaceParts, Prepare } from './parts.ts'
import { parseForm, type WholeForm } from './whole-form.ts'

/** `POST /v1/images/generations`. */
export function prepareImages({ models, clock }: FaceParts): Prepare {
  return async (visit, room) => {
    const body = await readV1(visit, room, LIMITS.imageBodyBytesMax)
    const model = findImageModel(models, visit.principal, body.fields.model, 'images')
    visit.model = model.name
    demandImages(visit, model, body.fields.n)
    return {
      model,
      protocol: 'images',
      planAt({ endpoint, upstream }, { options }) {
        if (passesThrough(endpoint.dialect)) {
          return {
            ...passPlan({ protocol: 'images', endpoint, mayManage: false, body, upstream, name: model.name, options, headers: {} }),
            units: imagesOf(body.fields.n),
          }
        }
        const input = readInput(openaiImageInput, { ...options, ...body.fields })
        return operationOf(
          endpoint.dialect,
          'pictures',
        )(jobOf(input, visit, { checkpoint: upstream, nowMs: clock.nowMs(), original: null }))
      },
      life: null,
    }
  }
}

/** `POST /v1/images/edits`: a form with pictures, which a backend wants as base64, so it is read whole. */
export function prepareEdits({ models, clock }: FaceParts): Prepare {
  return async (visit, room) => {
    const form = await readForm(visit, room)
    const fields: Record<string, unknown> = Object.fromEntries(form.fields)
    const model = findImageModel(models, visit.principal, fields.model, 'edits')
    visit.model = model.name
    demandImages(visit, model, fields.n)
    return {
      model,
      protocol: 'edits',
      planAt({ endpoint, upstream }, { options }) {
        if (passesThrough(endpoint.dialect)) {
          const plan = passForm({ protocol: 'edits', root: endpoint.apiRoot, fields: form.fields, upstream, name: model.name }, form.files)
          return { ...plan, units: imagesOf(fields.n) }
        }
        const { strength, ...input } = readInput(openaiEditInput, { ...options, ...fields })
        const original = { ...picturesIn(form.files), strength: strength ?? STRENGTH }
        return operationOf(endpoint.dialect, 'pictures')(jobOf(input, visit, { checkpoint: upstream, nowMs: clock.nowMs(), original }))
      },
      life: null,
    }
  }
}

const STRENGTH = 0.75

async function readForm(visit: Visit, room: Share): Promise<WholeForm> {
  wantForm(visit.envelope)
  const bytes = await readBody(visit.envelope, LIMITS.imageBodyBytesMax, room)
  visit.held(bytes.length)
  return parseForm(bytes, visit.envelope.headers.contentType)
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
const imagesOf = (n: unknown): { images: number } => {
  const count = Number(n ?? 1)
  return { images: Number.isInteger(count) && count >= 1 ? Math.min(count, COUNT_MAX) : 1 }
}

function demandImages(visit: Visit, model: Model, n: unknown): void {
  visit.demand = { model, price: model.price, least: NOTHING, most: imagesOf(n) }
}
const NOTHING = Object.freeze({}) // a picture that was not made costs nothing

const STEPS: Readonly<Record<string, number>> = { low: 12, high: 35, hd: 35 }
const STEPS_USUAL = 20
const SIDE_USUAL = 512
const SCALE_USUAL = 7

type Rest = Pick<PictureJob, 'checkpoint' | 'nowMs' | 'original'>

const jobOf = (input: OpenaiImageInput, { envelope }: Visit, rest: Rest): PictureJob => ({
  prompt: input.prompt,
  negativePrompt: input.negative_prompt ?? '',
  n: input.n ?? 1,
  width: input.size?.width ?? SIDE_USUAL,
  height: input.size?.height ?? SIDE_USUAL,
  steps: input.steps ?? STEPS[input.quality ?? ''] ?? STEPS_USUAL,
  cfgScale: input.cfg_scale ?? SCALE_USUAL,
  seed: input.seed ?? -1,
  sampler: input.sampler ?? 'Euler a',
  taskId: envelope.id,
  format: input.output_format ?? null,
  asUrl: input.response_format === 'url',
  streams: input.stream ?? false,
  ...rest,
})
