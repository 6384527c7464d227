import { afterEach, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

const PAGE = 'https://chat.example.org'
const preflight = {
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization, x-stainless-os, anthropic-version',
}
let scene: V1Scene
afterEach(() => scene.close())

const ask = (headers: Readonly<Record<string, string>>, method = 'OPTIONS') =>
  call(scene.gate.port, { method, path: '/v1/chat/completions', headers })

describe('a browser', () => {
  it('may call nothing until configuration says from where', async () => {
    scene = await openV1Scene()
    const { status, headers } = await ask({ origin: PAGE, ...preflight })
    expect([status, headers['access-control-allow-origin']]).toEqual([405, undefined])
    expect((await scene.gate.refusals()).at(-1)).toMatchObject({ code: 'METHOD_NOT_ALLOWED', method: 'OPTIONS' })
  })

  it('may call from a page that is named, with whatever headers its client sends', async () => {
    scene = await openV1Scene({ CORS_ORIGINS: `${PAGE},http://localhost:3000` })
    await scene.endpoint('one')
    await scene.model('m', ['one'])
    const before = (await scene.gate.lines()).length
    const asked = await ask({ origin: PAGE, ...preflight })
    expect([asked.status, asked.body]).toEqual([204, ''])
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': PAGE,
      'access-control-allow-headers': preflight['access-control-request-headers'],
      'access-control-allow-methods': expect.stringContaining('POST'),
      vary: 'origin',
    })
    expect((await scene.gate.lines()).length).toBe(before)
    const answer = await call(scene.gate.port, {
      path: '/v1/chat/completions',
      key: scene.key,
      headers: { origin: PAGE },
      body: { model: 'm', messages: [], stream: true },
    })
    expect(answer).toMatchObject({ status: 200, complete: true })
    expect(answer.body.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': PAGE,
      'access-control-expose-headers': expect.stringContaining('x-request-id'),
    })
    const refused = await ask({ origin: PAGE }, 'POST')
    expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([401, PAGE])
  })

  it.each([['https://evil.example'], ['https://chat.example.org.evil.example'], ['null']])('may not call from %s', async (origin) => {
    scene = await openV1Scene({ CORS_ORIGINS: PAGE })
    const { status, headers } = await ask({ origin, ...preflight })
    expect([status, headers['access-control-allow-origin'], headers.vary]).toEqual([405, undefined, 'origin'])
  })

  it('may call from anywhere where configuration says so', async () => {
    scene = await openV1Scene({ CORS_ORIGINS: '*' })
    const { status, headers } = await ask({ origin: 'https://any.example', ...preflight, 'access-control-request-headers': 'x\u00e9' })
    expect([status, headers['access-control-allow-origin'], headers['access-control-allow-headers']]).toEqual([204, '*', undefined])
  })
})
