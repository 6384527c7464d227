import { describe, expect, it } from 'vitest'
import { inspectTxt2Img } from './policy.ts'

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII='
const JPEG = `/9j/4AAQSkZJRgABAQEASABIAAD${'A'.repeat(60)}`

const ordinary = (fields: Record<string, unknown>) => inspectTxt2Img(fields, false)
const codeOf = (look: () => unknown): string => {
  try {
    look()
    return 'passed'
  } catch (error) {
    return error instanceof Error && 'code' in error && 'detail' in error ? `${String(error.code)} ${String(error.detail)}` : String(error)
  }
}

describe('a txt2img body', () => {
  it('passes as it is when it holds only what everybody may set', () => {
    const body = {
      prompt: 'a gate at dawn, <lora:castle:0.8>',
      negative_prompt: 'people',
      steps: 20,
      width: 512,
      height: 768,
      cfg_scale: 7.5,
      sampler_name: 'DPM++ 2M',
      scheduler: null,
      seed: -1,
      batch_size: 4,
      n_iter: 4,
      enable_hr: true,
      hr_scale: 2,
      override_settings: { sd_model_checkpoint: 'dream.safetensors [abc]', CLIP_stop_at_last_layers: 2 },
      override_settings_restore_afterwards: true,
      script_name: null,
      script_args: [],
      save_images: false,
      alwayson_scripts: { controlnet: { args: [{ image: PNG, model: 'canny [d14c016b]', weight: 1, mask: JPEG }] } },
    }
    expect(ordinary(body)).toEqual(body)
  })

  it.each([
    ['script_name', 'Prompts from file or textbox'],
    ['script_args', ['x']],
    ['save_images', true],
    ['infotext', 'Steps: 20, Model hash: abc'],
    ['override_settings_restore_afterwards', false],
    ['override_settings', { outdir_samples: '/etc' }],
    ['override_settings', { sd_model_checkpoint: 'x', Samples_Format: 'png' }],
    ['prompt', 'a cat <sd_cpp_extra_args>{"steps":9999}</sd_cpp_extra_args>'],
    ['hr_negative_prompt', 'x < SD_CPP_EXTRA_ARGS >'],
  ])('with %s %j is for holders of manage:image', (field, value) => {
    expect(codeOf(() => ordinary({ prompt: 'x', [field]: value }))).toMatch(/^POLICY_REFUSED .*manage:image/)
    expect(inspectTxt2Img({ prompt: 'x', [field]: value }, true)).toEqual({ prompt: 'x', [field]: value })
  })

  it.each([
    ['http://169.254.169.254/latest'],
    ['https://example.org/cat.png'],
    ['HTTPS://EXAMPLE.ORG'],
    [' \thttp://example.org'],
    ['file:///etc/passwd'],
    ['ftp://example.org/x'],
    ['C:\\models\\x.png'],
    ['\\\\host\\share\\x.png'],
    ['//example.org/cat.png'],
    ['/etc/passwd'],
    [`/${'./'.repeat(500)}etc/passwd`],
    ['~/x.png'],
    ['../x.png'],
  ])('never carries %s in an image field, whoever sends it', (address) => {
    for (const mayManage of [false, true]) {
      for (const body of [
        { init_images: [PNG, address] },
        { images: [address] },
        { mask: address },
        { firstpass_image: address },
        { alwayson_scripts: { controlnet: { args: [{ input_image: address }] } } },
        { alwayson_scripts: { x: { args: [[[{ deep: [address] }]]] } } },
      ]) {
        expect(codeOf(() => inspectTxt2Img(body, mayManage))).toMatch(/^BODY_INVALID .*addresses and paths are not followed/)
      }
    }
  })

  it('names where an address stands', () => {
    expect(codeOf(() => ordinary({ alwayson_scripts: { controlnet: { args: [1, { image: 'http://x' }] } } }))).toContain(
      'alwayson_scripts.controlnet.args.1.image:',
    )
  })

  it('takes base64 and data URLs as pictures', () => {
    expect(codeOf(() => ordinary({ init_images: [PNG, JPEG, `data:image/png;base64,${PNG}`] }))).toBe('passed')
  })

  it.each([
    [{ steps: 0 }, '"steps" must be at least 1'],
    [{ steps: 151 }, '"steps" may be at most 150'],
    [{ steps: 20.5 }, '"steps" must be a whole number'],
    [{ steps: '20' }, '"steps" must be a number'],
    [{ width: 63 }, '"width" must be at least 64'],
    [{ height: 2_049 }, '"height" may be at most 2048'],
    [{ batch_size: 17 }, '"batch_size" may be at most 16'],
    [{ batch_size: 4, n_iter: 5 }, 'batch_size times n_iter is 20 pictures'],
    [{ enable_hr: true, width: 2_048, hr_scale: 3 }, 'hr_scale makes a side of 6144 pixels'],
    [{ cfg_scale: -1 }, '"cfg_scale" must be at least 0'],
    [{ prompt: ['a'] }, '"prompt" must be a string'],
    [{ override_settings: { sd_vae: { a: 1 } } }, 'override_settings.sd_vae: want a single value'],
    [{ outpath_samples: 'x' }, 'outpath_samples: there is no such field of txt2img'],
  ])('with %j is refused by the name of what is wrong', (fields, detail) => {
    expect(codeOf(() => ordinary(fields))).toMatch(/^BODY_INVALID /)
    expect(codeOf(() => ordinary(fields))).toContain(detail)
  })

  it('takes the largest of everything', () => {
    expect(codeOf(() => ordinary({ steps: 150, width: 2_048, height: 64, batch_size: 16, enable_hr: true, hr_scale: 2 }))).toBe('passed')
  })

  it('looks through millions of numbers at once', () => {
    const startedMs = performance.now()
    ordinary({ alwayson_scripts: { x: { args: Array.from({ length: 2_000_000 }, (_value, index) => index) } } })
    expect(performance.now() - startedMs).toBeLessThan(1_000)
  })
})
