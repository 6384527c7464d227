import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningCaddy, startCaddy } from '../support/caddy.ts'
import { parseAnswer, rawExchange } from '../support/raw-http.ts'
import { type StandIn, standInGatekeeper } from '../support/stand-in-gatekeeper.ts'
import { lacking, named } from '../support/tools.ts'

const reason = lacking('caddy')
const MIB = 1024 * 1024

describe.skipIf(reason)(named('the outer wall', reason), () => {
  let gatekeeper: StandIn
  let caddy: RunningCaddy
  const received: number[] = []
  beforeAll(async () => {
    gatekeeper = await standInGatekeeper()
    gatekeeper.answerWith((req, res) => {
      let bytes = 0
      req.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      req.on('error', () => {})
      req.once('end', () => {
        received.push(bytes)
        res.end()
      })
    })
    caddy = await startCaddy({ gatekeeper: gatekeeper.address, env: { BODY_MAX: '1MiB' } })
  })
  afterAll(async () => {
    await caddy?.stop()
    await gatekeeper?.close()
  })

  const send = async (bytes: number, { path = '/chat/api/generate', chunked = false } = {}) => {
    const body = Buffer.alloc(bytes, 'x')
    const length = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes}`
    const head = Buffer.from(`POST ${path} HTTP/1.1\r\nHost: gate\r\nX-API-Key: k\r\nConnection: close\r\n${length}\r\n\r\n`)
    const frame = chunked ? [Buffer.from(`${bytes.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')] : [body]
    return parseAnswer(await rawExchange(caddy.port, Buffer.concat([head, ...frame])))
  }

  test.each([false, true])('a body of BODY_MAX passes, one byte more is 413 (chunked: %s)', async (chunked) => {
    received.length = 0
    expect((await send(MIB - 1, { chunked })).status).toBe(200)
    expect((await send(MIB, { chunked })).status).toBe(200)
    expect(received).toEqual([MIB - 1, MIB])
    const refused = await send(MIB + 1, { chunked })
    expect(refused.status).toBe(413)
    expect(refused.body).toBe('413 Request Entity Too Large')
    expect(received).toHaveLength(2)
  })

  test('model blobs have no wall here but the one at 64 GiB', async () => {
    expect((await send(4 * MIB, { path: '/chat/api/blobs/sha256:00', chunked: true })).status).toBe(200)
  })

  test('a header block beyond the limit is refused before it reaches the gatekeeper', async () => {
    gatekeeper.seen.length = 0
    const ask = (bytes: number) =>
      rawExchange(caddy.port, `GET /health HTTP/1.1\r\nHost: gate\r\nConnection: close\r\nX-Long: ${'x'.repeat(bytes)}\r\n\r\n`)
    expect(parseAnswer(await ask(12 * 1024)).status).toBe(200)
    expect(parseAnswer(await ask(32 * 1024)).status).toBe(431)
    expect(gatekeeper.seen).toHaveLength(1)
  })
})
