import { backendFault } from '../fault.ts'
import type { Operations } from '../operations.ts'
import type { Plan } from '../plan.ts'
import { getRequest, jsonRequest } from '../requests.ts'
import { oneImageOf } from './images.ts'
import { inspectTxt2Img, refuseHiddenArguments, type Txt2Img, withCheckpoint } from './policy.ts'
import { interruptOf } from './task.ts'

/** AUTOMATIC1111, and what speaks its language: Forge, SD.Next, stable-diffusion.cpp. */
export const a1111Operations: Pick<Operations, 'image' | 'simpleImage' | 'imageModels' | 'imageSamplers'> = {
  image({ fields, taskId, mayManage, checkpoint }) {
    const job = withCheckpoint(inspectTxt2Img(fields, mayManage), checkpoint)
    return { ...txt2img(job, taskId), units: unitsOf(job), passes: (contentType) => contentType.startsWith('application/json') }
  },
  simpleImage({ taskId, as, mayManage, checkpoint, sampler, negative_prompt, prompt, steps, width, height, cfg_scale, seed }) {
    const job: Txt2Img = {
      prompt,
      negative_prompt: negative_prompt ?? '',
      steps,
      width,
      height,
      cfg_scale,
      sampler_name: sampler,
      seed,
      batch_size: 1,
      n_iter: 1,
    }
    if (!mayManage) refuseHiddenArguments(job)
    return { ...txt2img(withCheckpoint(job, checkpoint), taskId), reshape: oneImageOf(as, steps) }
  },
  imageModels: () => ({ request: getRequest('/sdapi/v1/sd-models'), fault: backendFault }),
  imageSamplers: () => ({ request: getRequest('/sdapi/v1/samplers'), fault: backendFault }),
}

const txt2img = (job: Txt2Img, taskId: string): Plan => ({
  request: jsonRequest('/sdapi/v1/txt2img', { ...job, force_task_id: taskId }),
  fault: backendFault,
  interrupt: interruptOf(taskId),
})

function unitsOf({ batch_size, n_iter, steps }: Txt2Img): { images: number; steps?: number } {
  const images = (typeof batch_size === 'number' ? batch_size : 1) * (typeof n_iter === 'number' ? n_iter : 1)
  return typeof steps === 'number' ? { images, steps: steps * images } : { images }
}
