import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { mintKey } from '../../src/identity/format.ts'
import { newKeyId } from '../../src/kernel/index.ts'
import { type Call, call, generate } from '../support/caller.ts'
import { freePort } from '../support/free-port.ts'
import { type GatewayPlace, type GatewayUnderTest, gatewayPlace, startTestGateway, type TestKey } from '../support/gateway.ts'
import { spawnCommand, startGatewayProcess } from '../support/gateway-process.ts'
import { rawCaller, requestBytes } from '../support/raw-caller.ts'
import { parseAnswer, rawExchange } from '../support/raw-http.ts'
import { lacksMount, smallDisk } from '../support/small-disk.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'
import { named } from '../support/tools.ts'
import { until } from '../support/until.ts'

/** What each bad input was told, and what the ledger says of it; printed at the end. */
const table: (readonly [input: string, answer: string, record: string])[] = []

let upstream: TextBackend
let gate: GatewayUnderTest
let key: TestKey
beforeAll(async () => {
  upstream = await textBackend()
  gate = await startTestGateway({ OLLAMA_URL: upstream.url, CHAT_BODY_MAX: '64KiB' })
  key = await gate.key({ rights: ['text'] })
})
afterEach(() => upstream.forget())
afterAll(async () => {
  const width = Math.max(...table.map(([input]) => input.length))
  for (const [input, answer, record] of table) process.stdout.write(`bad input: ${input.padEnd(width)}  ${answer}  [${record}]\n`)
  await gate.stop()
  await upstream.close()
})

interface Expected {
  readonly status: number
  /** The whole body, or a part that it must have. */
  readonly body: string | RegExp
  readonly code: string
  readonly reason?: string | RegExp
  readonly headers?: Readonly<Record<string, string>>
}

/** Asks, and holds answer and record against what is expected; the backend must not have been asked. */
async function refused(input: string, asked: Call, { status, body, code, reason, headers = {} }: Expected): Promise<void> {
  const answer = await call(gate.port, asked)
  expect(answer).toMatchObject({ status, complete: true, headers })
  if (typeof body === 'string') expect(answer.body).toBe(body)
  else expect(answer.body).toMatch(body)
  expect(upstream.asked).toEqual([])
  const record = (await gate.refusals()).find(({ request }) => request === answer.headers['x-request-id'])
  expect(record).toMatchObject({ status, code, ...(reason !== undefined && { reason: expect.stringMatching(reason) }) })
  table.push([input, `${status} ${answer.body}`, `refused ${record?.code} ${record?.reason ?? ''}`.trim()])
}

const UNAUTHORIZED = '{"error":"Unauthorized - API Key Required or not valid"}'
const CHAT = { path: '/chat/api/generate', method: 'POST' } as const
const json = (body: string | Buffer, headers: Record<string, string> = {}): Call => ({ ...CHAT, key: key.text, body, headers })
const broken = (text: string): string => `${text.slice(0, -6)}${text.endsWith('000000') ? '000001' : '000000'}`

describe('bad input: keys', () => {
  it.each<readonly [string, () => Partial<Call>, string]>([
    ['no key', () => ({}), 'no_credential'],
    ['an unknown key', () => ({ key: mintKey(newKeyId()) }), 'unknown_key'],
    ['a wrong secret of a known key', () => ({ key: mintKey(key.id as ReturnType<typeof newKeyId>) }), 'wrong_secret'], // the id of a key that was made
    ['a mistyped key', () => ({ key: broken(key.text) }), 'bad_crc'],
    ['what is no key', () => ({ key: 'hunter2' }), 'malformed'],
    ['an unknown legacy key', () => ({ key: 'e5c4b8c2-0000-4000-8000-000000000000' }), 'unknown_key'],
    ['Basic', () => ({ headers: { authorization: 'Basic YTpi' } }), 'no_credential'],
  ])('%s gets the same bytes as every other', async (name, over, reason) => {
    await refused(
      name,
      { ...CHAT, body: '{}', ...over() },
      { status: 401, body: UNAUTHORIZED, code: 'UNAUTHORIZED', reason, headers: { 'www-authenticate': 'Bearer realm="portcullis"' } },
    )
  })

  it('two keys that differ', async () => {
    const body = '{"error":"X-API-Key and Authorization: Bearer hold different keys; remove one of the two"}'
    await refused(
      'two keys',
      { ...CHAT, key: key.text, headers: { authorization: 'Bearer other' }, body: '{}' },
      { status: 400, body, code: 'CREDENTIAL_CONFLICT' },
    )
  })

  it('the same header twice', async () => {
    const bytes = requestBytes({ key: key.text, headers: { 'X-API-Key': 'other', Connection: 'close' }, body: '{}' })
    const { status, body } = parseAnswer(await rawExchange(gate.port, bytes))
    expect({ status, body }).toEqual({ status: 400, body: '{"error":"The X-API-Key header is sent twice; send it once"}' })
    table.push(['one header twice', `${status} ${body}`, `refused ${(await gate.refusals()).at(-1)?.code}`])
  })

  it('and the same key said in two ways is one key', async () => {
    expect(await call(gate.port, generate(key.text, {}, { headers: { authorization: `Bearer ${key.text}` } }))).toMatchObject({
      status: 200,
    })
  })

  it('a key without the right', async () => {
    const body = '{"error":"This key does not have the right embedding"}'
    await refused(
      'a key without the right',
      { path: '/chat/api/embed', key: key.text, body: '{}' },
      { status: 403, body, code: 'FORBIDDEN', reason: 'missing right embedding' },
    )
  })
})

describe('bad input: routes', () => {
  it('no such route, in the shape of the face it is near', async () => {
    await refused(
      'an unknown route',
      { path: '/chat/api/nothing', key: key.text, body: '{}' },
      { status: 404, body: '{"error":"There is nothing at this path"}', code: 'NOT_FOUND' },
    )
    await refused(
      'an unknown route elsewhere',
      { path: '/nowhere' },
      {
        status: 404,
        body: /^\{"type":"urn:portcullis:error:not-found","title":"There is nothing at this path","status":404,/,
        code: 'NOT_FOUND',
      },
    )
  })

  it('a wrong method, and which are right', async () => {
    await refused(
      'a wrong method',
      { path: '/chat/api/generate', key: key.text },
      { status: 405, body: '{"error":"This route takes POST"}', code: 'METHOD_NOT_ALLOWED', headers: { allow: 'POST' } },
    )
    const digest = `sha256:${'a'.repeat(64)}`
    await refused(
      'GET where HEAD and POST are',
      { path: `/chat/api/blobs/${digest}`, key: key.text },
      { status: 405, body: /takes HEAD, POST/, code: 'METHOD_NOT_ALLOWED', headers: { allow: 'HEAD, POST' } },
    )
  })

  it.each([
    ['/chat/api/..%2fdelete', 'an encoded slash'],
    ['/chat/./api/tags', 'a dot segment'],
    ['/chat/%2e%2e/tts', 'a dot segment'],
    ['//chat/api/tags', 'a double slash at its start'],
    ['/chat/api;x/tags', 'a semicolon'],
    ['/chat\\api/tags', 'a backslash'],
    ['/chat/%00', 'a control character'],
    ['/chat/100%', 'a stray %'],
  ])('a path that is spelled to be misread, as %s is, by a sentence that names it', async (path, named) => {
    await refused(
      'a refused spelling',
      { path, key: key.text },
      { status: 400, body: new RegExp(`"The path holds [^"]*${named}`), code: 'BAD_PATH' },
    )
  })
})

describe('bad input: bodies', () => {
  it.each<readonly [string, string | Buffer, number, RegExp, string]>([
    ['a body that is no JSON', 'hello', 400, /not valid JSON/, 'BODY_NOT_JSON'],
    ['no body at all', '', 400, /it is not an object/, 'BODY_NOT_JSON'],
    ['JSON that ends too early', '{"model":"m","prompt":"he', 400, /a string does not end/, 'BODY_NOT_JSON'],
    ['a list', '[{"model":"m"}]', 400, /it is not one object/, 'BODY_NOT_JSON'],
    ['two objects', '{"model":"m"}{"model":"x:cloud"}', 400, /it is not one object/, 'BODY_NOT_JSON'],
    ['a byte order mark', Buffer.from('\ufeff{"model":"m"}'), 400, /does not parse/, 'BODY_NOT_JSON'],
    ['65 levels', `{"a":${'['.repeat(64)}${']'.repeat(64)}}`, 400, /nested too deeply/, 'BODY_TOO_DEEP'],
    ['a repeated name', '{"model":"m","model":"x:cloud"}', 400, /\\"model\\" stands more than once/, 'BODY_AMBIGUOUS'],
    ['a name in another case', '{"model":"m","KEEP_ALIVE":-1}', 400, /Write \\"keep_alive\\" in lower case/, 'BODY_AMBIGUOUS'],
    ['a name in other letters', '{"ſtream":false}', 400, /Write \\"stream\\" in lower case/, 'BODY_AMBIGUOUS'],
    ['a name with escapes', '{"model":"m","\\u006dodel":"x:cloud"}', 400, /more than once/, 'BODY_AMBIGUOUS'],
    ['a model that is no text', '{"model":{"a":1}}', 400, /\\"model\\" must be a text/, 'BODY_INVALID'],
    ['a cloud model', '{"model":"gpt-oss:120b-cloud"}', 403, /cloud models are not allowed/, 'POLICY_REFUSED'],
    ['an option that reloads the model', '{"model":"m","options":{"num_gpu":0}}', 403, /manage:chat/, 'POLICY_REFUSED'],
    ['a keep_alive that is none', '{"model":"m","keep_alive":"for ever"}', 400, /keep_alive/, 'BODY_INVALID'],
  ])('%s', async (name, body, status, told, code) => {
    await refused(name, json(body), { status, body: told, code })
  })

  it.each<readonly [string, Record<string, string>, RegExp]>([
    ['a form', { 'content-type': 'multipart/form-data; boundary=x' }, /application\/json/],
    ['a picture', { 'content-type': 'image/png' }, /application\/json/],
    ['a packed body', { 'content-encoding': 'gzip' }, /Content-Encoding gzip is not taken/],
  ])('a wrong content type: %s', async (name, headers, told) => {
    await refused(name, json('{"model":"m"}', headers), { status: 415, body: told, code: 'UNSUPPORTED_MEDIA' })
  })

  it('a huge body is refused by its length, before a byte of it is sent', async () => {
    const caller = await rawCaller(gate.port)
    caller.write(requestBytes({ key: key.text, contentLength: 10 ** 9, headers: { Expect: '100-continue' } }))
    await caller.heard('takes"}')
    expect(caller.received).toMatch(
      /^HTTP\/1\.1 413 [\s\S]*connection: close[\s\S]*\{"error":"The body is larger than the 65536 bytes this route takes"\}$/i,
    )
    expect(caller.received).not.toContain('100 Continue')
    await caller.gone()
    expect((await gate.refusals()).at(-1)).toMatchObject({ code: 'BODY_TOO_LARGE', status: 413, key: key.id })
    table.push([
      'a huge body, announced',
      '413 {"error":"The body is larger than the 65536 bytes this route takes"}',
      'refused BODY_TOO_LARGE',
    ])
  })

  it('a huge body that was not announced is refused as soon as it is too large', async () => {
    const caller = await rawCaller(gate.port)
    caller.write(`POST /chat/api/generate HTTP/1.1\r\nHost: gate\r\nX-API-Key: ${key.text}\r\nTransfer-Encoding: chunked\r\n\r\n`)
    const piece = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    let pieces = 0
    await until(
      () => {
        if (!caller.closed && pieces < 10_000) caller.write(piece)
        pieces += 1
        return caller.closed
      },
      { withinMs: 10_000, what: 'the connection to be closed' },
    )
    expect(caller.received).toMatch(/^HTTP\/1\.1 413 /)
    expect((await gate.refusals()).at(-1)).toMatchObject({ code: 'BODY_TOO_LARGE' })
    table.push([
      'a huge body, in chunks',
      '413 {"error":"The body is larger than the 65536 bytes this route takes"}',
      'refused BODY_TOO_LARGE',
    ])
  })

  it('n−1, n and n+1 bytes', async () => {
    const sized = (bytes: number): string => `{"model":"m","prompt":"${'x'.repeat(bytes - 25)}"}`
    expect(Buffer.byteLength(sized(65_536))).toBe(65_536)
    for (const bytes of [65_535, 65_536]) expect(await call(gate.port, json(sized(bytes)))).toMatchObject({ status: 200 })
    upstream.forget()
    await refused('one byte too many', json(sized(65_537)), { status: 413, body: /65536 bytes/, code: 'BODY_TOO_LARGE' })
  })

  it('half a body, whose caller has gone', async () => {
    const caller = await rawCaller(gate.port)
    caller.write(requestBytes({ key: key.text, body: '{"model":', contentLength: 100 }))
    caller.leave('fin')
    await caller.gone()
    await until(async () => (await gate.refusals()).at(-1)?.code === 'BODY_INCOMPLETE', { withinMs: 2_000, what: 'the record' })
    expect(upstream.asked).toEqual([])
    table.push(['half a body', 'none: the caller has gone', 'refused BODY_INCOMPLETE'])
  })

  it('and what is good passes right after all of these', async () => {
    expect(await call(gate.port, generate(key.text))).toMatchObject({ status: 200, complete: true })
  })
})

describe('bad input: the house', () => {
  it('no backend', async () => {
    const away = await startTestGateway({ OLLAMA_URL: `http://127.0.0.1:${await freePort()}` })
    const { text } = await away.key()
    const answer = await call(away.port, generate(text))
    expect(answer).toMatchObject({
      status: 503,
      body: '{"error":"The backend of chat cannot be reached"}',
      headers: { 'retry-after': '5' },
    })
    expect((await away.outcomes()).at(-1)).toMatchObject({
      ended: 'refused',
      status: 503,
      code: 'UPSTREAM_UNREACHABLE',
      reason: expect.stringContaining('ECONNREFUSED'),
    })
    table.push(['no backend', `503 ${answer.body}`, 'intent, outcome UPSTREAM_UNREACHABLE'])
    await away.stop()
  })

  const noMount = lacksMount()
  it.skipIf(noMount !== '')(named('a full disk', noMount), async () => {
    const place = gatewayPlace({ OLLAMA_URL: upstream.url })
    const disk = smallDisk(dirname(place.ledgerFile), 1)
    const full = await startTestGateway({}, place)
    const { text } = await full.key({ concurrency: 0 })
    try {
      expect(await call(full.port, generate(text))).toMatchObject({ status: 200 })
      disk.fill()
      upstream.forget()
      // What is left of the last block still takes a line or two.
      const answer = await until(
        async () => {
          const one = await call(full.port, generate(text))
          return one.status === 503 ? one : null
        },
        { withinMs: 10_000, what: 'the disk to be full' },
      )
      expect(answer.body).toBe('{"error":"The audit ledger cannot be written, so nothing is let through"}')
      expect(answer.headers['retry-after']).toBe('5')
      upstream.forget()
      for (let n = 0; n < 20; n += 1) expect((await call(full.port, generate(text))).status).toBe(503)
      expect(upstream.asked).toEqual([])
      expect(await call(full.port, { path: '/ready' })).toMatchObject({
        status: 503,
        body: '{"status":"not ready","why":"the audit ledger cannot be written"}',
      })
      expect(await call(full.port, { path: '/health' })).toMatchObject({ status: 200 })
      disk.free()
      await until(async () => (await call(full.port, { path: '/ready' })).status === 200, {
        withinMs: 10_000,
        what: 'the ledger to come back',
      })
      expect(await call(full.port, generate(text))).toMatchObject({ status: 200 })
      const refusals = (await full.refusals()).filter(({ code }) => code === 'AUDIT_UNAVAILABLE')
      expect(refusals.length).toBeGreaterThan(0)
      table.push(['a full disk', `503 ${answer.body}`, 'refused AUDIT_UNAVAILABLE, written when there was space again'])
    } finally {
      await full.gateway.drain('test')
      disk.unmount()
      place.remove()
    }
  })
})

interface Finished {
  readonly status: number | null
  readonly said: string
}

async function runToEnd(place: GatewayPlace, words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  const child = spawnCommand(place, words, { env })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  await until(() => child.exitCode !== null || child.signalCode !== null, { withinMs: 15_000, what: `${words.join(' ')} to end (${said})` })
  return { status: child.exitCode, said }
}

describe('bad input: starting', () => {
  let place: GatewayPlace
  beforeAll(() => {
    place = gatewayPlace({ OLLAMA_URL: upstream.url })
    mkdirSync(place.dataDir, { recursive: true, mode: 0o700 })
  })
  afterAll(() => place.remove())

  const config = (text: string): Record<string, string> => {
    const file = join(place.dir, 'portcullis.yaml')
    writeFileSync(file, text)
    return { PORTCULLIS_CONFIG: file }
  }
  const row = (input: string, { status, said }: Finished): void => {
    table.push([input, `exit ${status}: ${said.trim().replaceAll('\n', ' / ').replaceAll(place.dir, '…')}`, 'nothing was started'])
  }

  it('a configuration with faults names every one of them, with its line', async () => {
    const bad = config(
      'server:\n  port: 99999\nservices:\n  tts:\n    url: ftp://x\n    conurrency: 1\n  UP:\n    url: http://a\ntrusted_proxies: [nowhere]\n',
    )
    const end = await runToEnd(place, ['serve'], { ...bad, AUDIT_SYNC: 'sometimes' })
    expect(end.status).toBe(2)
    for (const told of [
      /faults/,
      /portcullis\.yaml:5 services\.tts\.url/,
      /:6 services\.tts\.conurrency/,
      /:7 .*"UP" cannot name a service/,
      /:9 trusted_proxies/,
      /AUDIT_SYNC/,
    ]) {
      expect(end.said).toMatch(told)
    }
    row('a configuration with faults', end)
  })

  it.each<readonly [string, () => Record<string, string>, RegExp]>([
    ['a configuration that is no YAML', () => config('server: [\n'), /portcullis\.yaml:\d/],
    ['a configuration that is a list', () => config('- a\n'), /want keys and values/],
    ['a configuration that is not there', () => ({ PORTCULLIS_CONFIG: join(place.dir, 'nowhere.yaml') }), /there is no file/],
    ['a configuration that cannot be read', () => ({ PORTCULLIS_CONFIG: place.dir }), /cannot be read/],
  ])('%s', async (name, env, told) => {
    const end = await runToEnd(place, ['serve'], env())
    expect(end.said).toMatch(told)
    expect(end.status).toBe(2)
    row(name, end)
  })

  it('a provider key that everybody may read', async () => {
    const file = join(place.dir, 'provider.key')
    writeFileSync(file, 'secret-of-the-provider')
    chmodSync(file, 0o644)
    const end = await runToEnd(place, ['serve'], { CHAT_AUTH_VALUE_FILE: file })
    expect(end).toMatchObject({ status: 2, said: expect.stringContaining('provider.key') })
    expect(end.said).not.toContain('secret-of-the-provider')
    row('a secret file that others may read', end)
  })

  it('a file of legacy keys that is none ends the start, and leaves nothing held', async () => {
    const file = join(place.dir, 'keys.json')
    writeFileSync(file, 'not json', { mode: 0o600 })
    const end = await runToEnd(place, ['serve'], { API_KEYS_FILE: file })
    expect(end.status).toBeGreaterThan(0)
    expect(end.said).toContain('keys.json')
    row('a file of legacy keys that is none', end)
  })

  it('a second server on the same data, which does not disturb the first', async () => {
    const first = await startGatewayProcess(place)
    const second = await runToEnd(place, ['serve'])
    expect(second.status).toBe(3)
    expect(second.said).toContain(String(first.pid))
    expect(await call(first.port, { path: '/ready' })).toMatchObject({ status: 200 })
    row('a second server on the same data', second)
    await first.stop()
  })

  it('a port that is taken', async () => {
    const end = await runToEnd(place, ['serve'], { PORT: String(gate.port) })
    expect(end.status).toBe(3)
    expect(end.said).toContain(`Port ${gate.port} on 127.0.0.1 is taken`)
    row('a port that is taken', end)
  })

  it('a data directory that is a file', async () => {
    const file = join(place.dir, 'file')
    writeFileSync(file, '')
    const end = await runToEnd(place, ['serve'], { DATA_DIR: file })
    expect(end.status).toBe(3)
    row('a data directory that is none', end)
  })

  it('and a good one starts after all of these', async () => {
    const last = await startGatewayProcess(place)
    await last.stop()
  })
})
