import { GatewayError, own } from '../../kernel/index.ts'
import { backendFault, rubbish } from '../fault.ts'
import type { Operations, PictureJob } from '../operations.ts'
import type { LocalAnswer, Plan, WholeAnswer } from '../plan.ts'
import { jsonAnswer, jsonRequest } from '../requests.ts'
import { type Pictured, picturedRequest } from './pictured.ts'
import { refuseHiddenArguments } from './policy.ts'
import { pictureSpans } from './spans.ts'
import { interruptOf } from './task.ts'

/** Pictures as OpenAI's clients ask for them. */
export const pictures: Pick<Operations, 'pictures'> = {
  pictures(job) {
    refuseWhatItCannot(job)
    const { prompt, negativePrompt, n, size, cfgScale, seed, sampler, checkpoint, taskId, original } = job
    const steps = stepsOf(job)
    const wanted = {
      prompt,
      negative_prompt: negativePrompt,
      batch_size: n,
      n_iter: 1,
      width: size?.width ?? SIDE_USUAL,
      height: size?.height ?? SIDE_USUAL,
      steps,
      cfg_scale: cfgScale ?? SCALE_USUAL,
      seed: seed ?? ANY_SEED,
      sampler_name: sampler ?? SAMPLER_USUAL,
      force_task_id: taskId,
      ...(checkpoint !== null && { override_settings: { sd_model_checkpoint: checkpoint } }),
      ...(original !== null && strengthOf(original)),
    }
    refuseHiddenArguments(wanted)
    const plan: Plan = {
      request:
        original === null ? jsonRequest('/sdapi/v1/txt2img', wanted) : picturedRequest('/sdapi/v1/img2img', wanted, picturesOf(original)),
      fault: backendFault,
      interrupt: interruptOf(taskId),
      reshape: answerOf(job, steps),
    }
    return plan
  },
}

const SIDE_USUAL = 512
const SCALE_USUAL = 7
const ANY_SEED = -1
const SAMPLER_USUAL = 'Euler a'
const STRENGTH_USUAL = 0.75
const STEPS_USUAL = 20
const STEPS: Readonly<Record<string, number>> = { low: 12, high: 35, hd: 35 }

const stepsOf = ({ steps, quality }: PictureJob): number => steps ?? own(STEPS, quality ?? '') ?? STEPS_USUAL

type Original = NonNullable<PictureJob['original']>

function strengthOf({ mask, strength }: Original) {
  const masked = mask === null ? {} : { inpainting_mask_invert: 1 } // OpenAI redraws what is transparent, A1111 what is not
  return { denoising_strength: strength ?? STRENGTH_USUAL, ...masked }
}

const picturesOf = ({ image, mask }: Original): readonly Pictured[] => [
  { field: 'init_images', bytes: image, inList: true },
  ...(mask === null ? [] : [{ field: 'mask', bytes: mask, inList: false }]),
]

function refuseWhatItCannot({ format, asUrl, streams }: PictureJob): void {
  const cannot = (detail: string): GatewayError => new GatewayError('BODY_INVALID', { detail })
  if (asUrl) throw cannot('response_format: pictures are not kept here, so there is no url to give; ask for b64_json')
  if (format !== null && format !== 'png') throw cannot(`output_format: this image backend makes png, not ${format}`)
  if (streams) throw cannot('stream: this image backend shows nothing before a picture is done')
}

const answerOf =
  ({ n, nowMs }: PictureJob, steps: number) =>
  ({ body }: WholeAnswer): LocalAnswer => {
    const all = pictureSpans(body)
    // Some settings put a grid of all the pictures before them.
    const images = all.slice(all.length > n ? 1 : 0, all.length > n ? n + 1 : n)
    if (images.length === 0 || images[0]?.length === 0) throw rubbish('no picture in its answer')
    const parts = images.flatMap((image, at) => [at === 0 ? FIRST : NEXT, image])
    const written = Buffer.concat([Buffer.from(`{"created":${Math.floor(nowMs / 1_000)},"data":[`), ...parts, LAST])
    return jsonAnswer(written, { images: images.length, steps: steps * images.length })
  }

const FIRST = Buffer.from('{"b64_json":"')
const NEXT = Buffer.from('"},{"b64_json":"')
const LAST = Buffer.from('"}]}\n')
