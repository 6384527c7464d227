import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LIMITS } from '../../src/kernel/index.ts'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, gatewayPlace, startTestGateway } from '../support/gateway.ts'
import { type Listening, listen } from '../support/server.ts'

const SECRET = 'sk-the-provider-gave-it'
const VERSION = '/chat/api/version'
const BLOB = `/chat/api/blobs/sha256:${'0'.repeat(64)}`

/** The request's headers, as a debugging backend gives them back. */
const echoOf = ({ headers }: IncomingMessage): string => JSON.stringify({ error: 'no such thing', asked: headers })

describe('an error that passes as it came, of a backend for which the gate has a credential', () => {
  let behave: (asked: IncomingMessage, answer: ServerResponse) => void
  let backend: Listening
  let gate: GatewayUnderTest
  let key: string
  const start = async (withCredential = true): Promise<void> => {
    const place = gatewayPlace()
    const file = join(place.dir, 'chat.secret')
    writeFileSync(file, `Bearer ${SECRET}\n`, { mode: 0o600 })
    const env = { ...place.env, OLLAMA_URL: backend.url, ...(withCredential && { CHAT_AUTH_VALUE_FILE: file }) }
    gate = await startTestGateway({}, { ...place, env })
    key = (await gate.key({ rights: ['chat', 'manage:chat'] })).text
  }
  beforeEach(async () => {
    backend = await listen(
      createServer((asked, answer) => {
        if (asked.headers['x-request-id'] === undefined) answer.end('{"version":"0.9.0"}')
        else behave(asked, answer)
      }),
    )
  })
  afterEach(async () => {
    await gate.stop()
    await backend.close()
  })

  it.each([400, 404, 500, 503])('does not hold it, and is otherwise the backend’s own: %i', async (status) => {
    await start()
    behave = (asked, answer) => {
      const name = `attachment; filename="${asked.headers.authorization}"`
      answer.writeHead(status, { 'content-type': 'application/json', 'retry-after': '7', 'content-disposition': name }).end(echoOf(asked))
    }
    const told = await call(gate.port, { path: VERSION, key })
    expect(told).toMatchObject({ status, complete: true })
    expect(told.headers).toMatchObject({
      'content-type': 'application/json',
      'retry-after': '7',
      'content-disposition': 'attachment; filename="Bearer [secret]"',
      'content-length': String(Buffer.byteLength(told.body)),
    })
    expect(JSON.parse(told.body)).toMatchObject({ error: 'no such thing', asked: { authorization: 'Bearer [secret]' } })
    expect((await gate.outcomes())[0]).toMatchObject({ status, ended: 'complete', bytes_out: Buffer.byteLength(told.body) })
  })

  it('is told in the gate’s words when it is too long to be searched', async () => {
    await start()
    behave = (asked, answer) => {
      answer.writeHead(400, { 'content-type': 'text/plain' })
      answer.end(`${'x'.repeat(LIMITS.errorAnswerBytesMax)}${asked.headers.authorization}`)
    }
    const told = await call(gate.port, { path: VERSION, key })
    expect(told.body).toContain('The backend does not accept this request')
    expect(told.body).not.toMatch(/sk-|xxx/)
  })

  it('is told in the gate’s words when it is encoded', async () => {
    await start()
    behave = (asked, answer) => {
      answer.writeHead(400, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(gzipSync(echoOf(asked)))
    }
    const told = await call(gate.port, { path: VERSION, key })
    expect(told.body).toContain('The backend does not accept this request')
    expect(told.headers['content-encoding']).toBeUndefined()
  })

  it('has no credential in its headers where it answers HEAD, and the length that it tells', async () => {
    await start()
    behave = (asked, answer) => {
      answer.writeHead(404, { 'content-type': 'text/plain', 'content-length': 55, etag: `"${asked.headers.authorization}"` }).end()
    }
    const asked = request({ port: gate.port, path: BLOB, method: 'HEAD', headers: { 'x-api-key': key } }).end()
    const [told] = (await once(asked, 'response')) as [IncomingMessage] // as node:http documents
    told.resume()
    expect(told.statusCode).toBe(404)
    expect(told.headers).toMatchObject({ etag: '"Bearer [secret]"', 'content-length': '55' })
  })

  it('passes piece by piece, unread, where the gate has none', async () => {
    await start(false)
    const long = 'y'.repeat(2 * LIMITS.errorAnswerBytesMax)
    behave = (_asked, answer) => void answer.writeHead(400, { 'content-type': 'text/plain' }).end(long)
    expect(await call(gate.port, { path: VERSION, key })).toMatchObject({ status: 400, body: long, complete: true })
  })
})
