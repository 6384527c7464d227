import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { picturedRequest } from './pictured.ts'

const FIELDS = { prompt: 'a "gate"', denoising_strength: 0.5 }
const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, (_none, at) => (at * 31) % 251))

async function sent(pictures: Parameters<typeof picturedRequest>[2]): Promise<{ text: string; announced: number }> {
  const { body, headers } = picturedRequest('/x', FIELDS, pictures)
  if (!(body instanceof Readable)) throw new Error('a body that was made at once')
  return { text: Buffer.concat(await body.toArray()).toString(), announced: Number(headers['content-length']) }
}

describe('JSON with pictures', () => {
  it.each([0, 1, 2, 3, 4, 3 * 64 * 1024 - 1, 3 * 64 * 1024, 3 * 64 * 1024 + 1, 1_000_000])(
    'is what it would be made at once (%i bytes)',
    async (length) => {
      const [image, mask] = [bytes(length), bytes(length + 5)]
      const { text, announced } = await sent([
        { field: 'init_images', bytes: image, inList: true },
        { field: 'mask', bytes: mask, inList: false },
      ])
      expect(text).toBe(JSON.stringify({ ...FIELDS, init_images: [image.toString('base64')], mask: mask.toString('base64') }))
      expect(announced).toBe(text.length)
    },
  )

  it('is made while it is sent', async () => {
    const image = bytes(9)
    const { body } = picturedRequest('/x', FIELDS, [{ field: 'mask', bytes: image, inList: false }])
    image.fill(0xff) // nobody has looked at it yet
    expect(Buffer.concat(await Readable.from(body ?? []).toArray()).toString()).toContain('"mask":"////////////"')
  })
})
