import { describe, expect, it } from 'vitest'
import { simpleImageAnswer } from '../../contract/index.ts'
import type { SimpleImage } from '../operations.ts'
import { a1111Operations } from './image.ts'
import { interruptOf } from './task.ts'

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII='
const simple = (over: Partial<SimpleImage> = {}): SimpleImage => ({
  prompt: 'a gate',
  steps: 20,
  width: 512,
  height: 512,
  cfg_scale: 7,
  sampler: 'Euler a',
  seed: -1,
  taskId: 'req_1',
  as: 'json',
  mayManage: false,
  checkpoint: null,
  ...over,
})
const whole = (value: unknown) => ({ status: 200, contentType: 'application/json', body: Buffer.from(JSON.stringify(value)) })
const made = { images: [PNG, 'second'], parameters: { prompt: 'a gate', steps: 20 }, info: '{"seed":7,"all_seeds":[7]}' }

describe('a picture from AUTOMATIC1111', () => {
  it('is asked for under a name of ours, whatever name the caller gave', () => {
    const { request, units } = a1111Operations.image({
      fields: { prompt: 'x', steps: 10, batch_size: 2, n_iter: 3, force_task_id: 'theirs' },
      taskId: 'req_1',
      mayManage: false,
      checkpoint: null,
    })
    expect(`${request.method} ${request.path}`).toBe('POST /sdapi/v1/txt2img')
    expect(JSON.parse(String(request.body))).toEqual({ prompt: 'x', steps: 10, batch_size: 2, n_iter: 3, force_task_id: 'req_1' })
    expect(units).toEqual({ images: 6, steps: 60 })
  })

  it('is asked for in few words', () => {
    const { request } = a1111Operations.simpleImage(simple({ negative_prompt: 'people', seed: 7 }))
    expect(JSON.parse(String(request.body))).toEqual({
      prompt: 'a gate',
      negative_prompt: 'people',
      steps: 20,
      width: 512,
      height: 512,
      cfg_scale: 7,
      sampler_name: 'Euler a',
      seed: 7,
      batch_size: 1,
      n_iter: 1,
      force_task_id: 'req_1',
    })
    expect(() => a1111Operations.simpleImage(simple({ prompt: '<sd_cpp_extra_args>' }))).toThrow('manage:image')
  })

  it.each([
    ['a JSON text', '{"seed":7}', { seed: 7 }],
    ['an object', { seed: 7 }, { seed: 7 }],
    ['empty', '', {}],
    ['absent', undefined, {}],
    ['null', null, {}],
    ['a text of another kind', 'Steps: 20', { text: 'Steps: 20' }],
    ['a JSON text of another kind', '[1]', { text: '[1]' }],
  ])('comes with info that is an object when the backend’s is %s', (_what, info, expected) => {
    const answer = a1111Operations.simpleImage(simple()).reshape?.(whole({ ...made, info }))
    expect(simpleImageAnswer.parse(JSON.parse(String(answer?.body)))).toEqual({ image: PNG, parameters: made.parameters, info: expected })
    expect(answer?.units).toEqual({ images: 1, steps: 20 })
  })

  it('comes by itself for whoever asks for it', () => {
    const answer = a1111Operations
      .simpleImage(simple({ as: 'image' }))
      .reshape?.(whole({ ...made, images: [`data:image/png;base64,${PNG}`] }))
    expect(answer?.headers['content-type']).toBe('image/png')
    expect(answer?.body).toEqual(Buffer.from(PNG, 'base64'))
  })

  it('has the type that its bytes have, since settings of the backend choose it', () => {
    const answer = a1111Operations
      .simpleImage(simple({ as: 'image' }))
      .reshape?.(whole({ images: [Buffer.from('\xff\xd8\xff\xe0jpeg', 'latin1').toString('base64')] }))
    expect(answer?.headers['content-type']).toBe('image/jpeg')
  })

  it.each([[{}], [{ images: [] }], [{ images: [''] }], [{ images: [7] }], [{ images: 'x' }], [[]]])('is missed in %j', (answer) => {
    expect(() => a1111Operations.simpleImage(simple()).reshape?.(whole(answer))).toThrow('no picture')
  })

  it('is not taken for one when it is something else', () => {
    const { reshape } = a1111Operations.simpleImage(simple({ as: 'image' }))
    expect(() => reshape?.(whole({ images: [Buffer.from('hello').toString('base64')] }))).toThrow('its picture is none')
  })

  it('passes untouched only as JSON', () => {
    const { passes } = a1111Operations.image({ fields: {}, taskId: 'x', mayManage: false, checkpoint: null })
    expect([passes?.('application/json'), passes?.('text/html')]).toEqual([true, false])
  })
})

describe('a job at AUTOMATIC1111', () => {
  const { isOurs, isIdle, progress, stop } = interruptOf('req_1')
  const busy = (task: string | null, jobs = 1) => whole({ current_task: task, state: { job_count: jobs } })

  it('is ours only by its name', () => {
    expect(isOurs(busy('req_1'))).toBe(true)
    expect([busy('req_2'), busy(null), whole({ state: {} }), whole('x'), whole(null)].map(isOurs)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ])
  })

  it('is nobody’s when nothing is at work', () => {
    expect(isIdle(busy(null, 0))).toBe(true)
    expect(isIdle(whole({ state: { job_count: 0 } }))).toBe(true) // versions that do not name tasks
    expect([busy('req_2'), busy(null, -1), busy(null, 1), whole({})].map(isIdle)).toEqual([false, false, false, false])
  })

  it('is asked after without its preview, and stopped', () => {
    expect(`${progress.method} ${progress.path}`).toBe('GET /sdapi/v1/progress?skip_current_image=true')
    expect(`${stop.method} ${stop.path}`).toBe('POST /sdapi/v1/interrupt')
  })
})
