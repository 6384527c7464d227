import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { passForm } from '../dialects/index.ts'
import { parseForm } from './whole-form.ts'

const BOUNDARY = 'gate-7MA4YWxkTrZu0gW'
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`
const part = (name: string, value: Buffer, filename?: string): Buffer => {
  const file = filename === undefined ? '' : `; filename="${filename}"\r\nContent-Type: image/png`
  return Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`),
    value,
    Buffer.from('\r\n'),
  ])
}
const PICTURES = [Buffer.alloc(3_000_000, `almost\r\n--${BOUNDARY.slice(0, -1)}`), Buffer.alloc(70_000, '\r\n-'), Buffer.from('x')]
const FORM = Buffer.concat([
  part('prompt', Buffer.from('a gate')),
  ...PICTURES.map((picture, at) => part('image[]', picture, `${at}.png`)),
  Buffer.from(`--${BOUNDARY}--\r\n`),
])

describe('a form that is read whole', () => {
  it('has its files where they stand in it, without a copy', async () => {
    const { files, fields } = await parseForm(FORM, TYPE, new Set())
    expect(fields).toEqual([['prompt', 'a gate']])
    expect(files.map(({ bytes }, at) => bytes.equals(PICTURES[at] ?? Buffer.alloc(0)))).toEqual([true, true, true])
    for (const { bytes } of files) expect(bytes.buffer).toBe(FORM.buffer)
  })

  it.each(['form-data', 'form-data; name=""', 'form-data; filename="x.png"'])(
    'is refused where a part has no name (%s)',
    async (disposition) => {
      const nameless = Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: ${disposition}\r\n\r\nx\r\n--${BOUNDARY}--\r\n`)
      await expect(parseForm(nameless, TYPE, new Set())).rejects.toMatchObject({
        code: 'BODY_INVALID',
        detail: expect.stringContaining('no name'),
      })
    },
  )

  it('is refused where a name is longer than any', async () => {
    const long = Buffer.concat([part('mask.'.repeat(1_000), Buffer.from('x')), Buffer.from(`--${BOUNDARY}--\r\n`)])
    await expect(parseForm(long, TYPE, new Set())).rejects.toMatchObject({
      code: 'BODY_INVALID',
      detail: expect.stringContaining('too long'),
    })
  })

  it('goes on as a form that is put together while it is sent', async () => {
    const { files, fields } = await parseForm(FORM, TYPE, new Set())
    const { request } = passForm({ protocol: 'edits', root: '/v1', fields, upstream: 'm', name: 'n' }, files)
    if (!(request.body instanceof Readable)) throw new Error('a body that was made at once')
    const bytes = Buffer.concat(await request.body.toArray())
    expect(bytes.length).toBe(Number(request.headers['content-length']))
    const again = await parseForm(bytes, request.headers['content-type'] ?? '', new Set())
    expect(again.fields).toEqual([
      ['model', 'm'],
      ['prompt', 'a gate'],
    ])
    expect(again.files.map(({ bytes: file }, at) => file.equals(PICTURES[at] ?? Buffer.alloc(0)))).toEqual([true, true, true])
  })
})
