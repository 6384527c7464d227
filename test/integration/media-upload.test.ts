import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { asrJson, type Behaviour, delayed, early413, type HostileUpstream, hostileUpstream, whole } from '../support/hostile.ts'
import { ask, FORM_END, FORM_TYPE, formBytes, partHead, toneWav } from '../support/media.ts'
import { LEAVING, type Leaving, type RawCaller, rawCaller, requestBytes } from '../support/raw-caller.ts'
import { until } from '../support/until.ts'

let backend: HostileUpstream
let gate: GatewayUnderTest
let key: TestKey
let before = 0
const uploads = () => backend.seen.slice(before).filter(({ method }) => method === 'POST')
const lastUpload = () => until(() => uploads().at(-1), { withinMs: 5_000, what: 'an upload at the backend' })

beforeAll(async () => {
  backend = await hostileUpstream(() => asrJson(' Hello'))
  gate = await startTestGateway({ CHAT_ENABLED: 'false', WHISPER_ENABLED: 'true', WHISPER_URL: backend.url, WHISPER_DIALECT: 'asr' })
  key = await gate.key({ rights: ['whisper'] })
})
beforeEach(() => {
  before = backend.seen.length
  backend.use(() => asrJson(' Hello'))
})
afterEach(async () => {
  await gate.quiet()
  expect(backend.faults).toEqual([])
})
afterAll(async () => {
  await gate.stop()
  await backend.close()
})

const FILE = Buffer.alloc(3 * 1024 * 1024, 'sound ')
const OPTION = `${partHead('language')}en\r\n`

/** The first bytes of an upload; the rest is never sent. */
async function uploader(first: string | Buffer, { chunked = false } = {}): Promise<RawCaller> {
  const caller = await rawCaller(gate.port)
  const length: Readonly<Record<string, string>> = chunked ? { 'Transfer-Encoding': 'chunked' } : {}
  const head = requestBytes({
    path: '/whisper/api/transcribe',
    key: key.text,
    contentLength: 50_000_000,
    headers: { 'Content-Type': FORM_TYPE, ...length },
  })
  caller.write(chunked ? head.replace(/Content-Length: \d+\r\n/, '') : head)
  const bytes = Buffer.from(first)
  caller.write(chunked ? Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]) : bytes)
  return caller
}

describe('an upload', () => {
  it('arrives at the backend while its caller is still sending', async () => {
    const caller = await uploader(Buffer.concat([Buffer.from(OPTION + partHead('file', 'a.wav')), FILE]))
    const seen = await lastUpload()
    expect(seen.target).toBe('/asr?encode=true&task=transcribe&output=json&language=en')
    await until(() => seen.bodyBytes > 2_000_000, { withinMs: 5_000, what: 'most of the file at the backend' })
    expect(seen.sha256).toBe(null)
    expect(gate.gateway.house.corridor.inFlight.size).toBe(1)
    caller.leave('close')
  })

  const WAYS = Object.keys(LEAVING) as Leaving[] // the keys of that very table
  it.each(WAYS.flatMap((how) => [true, false].map((chunked) => [how, chunked] as const)))(
    'whose caller leaves (%s, chunked: %s) lets the backend go within a second, and never as a whole one',
    async (how, chunked) => {
      const caller = await uploader(Buffer.concat([Buffer.from(OPTION + partHead('file', 'a.wav')), FILE]), { chunked })
      const seen = await lastUpload()
      await until(() => seen.bodyBytes > 1_000_000, { withinMs: 5_000, what: 'some of the file at the backend' })
      const leftAtMs = caller.leave(how)
      const left = await until(() => seen.leftMs, { withinMs: 2_000, what: 'the backend to be let go' })
      expect(left - leftAtMs).toBeLessThan(1_000)
      expect(seen.sha256).toBe(null)
      const outcome = (await gate.outcomes()).at(-1)
      expect(outcome?.ended).toBe('client_closed')
      expect(outcome?.bytes_in).toBeGreaterThan(1_000_000)
    },
  )

  it('that waits on disk never comes to the backend when its caller leaves', async () => {
    const caller = await uploader(Buffer.concat([Buffer.from(partHead('file', 'a.wav')), FILE]))
    await until(() => gate.gateway.house.corridor.inFlight.size === 1, { withinMs: 2_000, what: 'the upload to begin' })
    await until(() => ([...gate.gateway.house.corridor.inFlight][0]?.bytesIn ?? 0) > 1_000_000, {
      withinMs: 2_000,
      what: 'some of it to be there',
    })
    caller.leave('reset')
    await gate.quiet()
    expect(uploads()).toEqual([])
    expect((await gate.outcomes()).at(-1)).toMatchObject({ ended: 'client_closed', status: 0, code: 'BODY_INCOMPLETE' })
  })

  it.each([
    ['an option that comes too late', `\r\n${partHead('prompt')}x\r\n${FORM_END}`, /prompt: came after the file/],
    ['a second file', `\r\n${partHead('file', 'b.wav')}more sound`, /two files/],
    ['an unknown field', `\r\n${partHead('stream')}true\r\n${partHead('language')}`, /stream: there is no such field/],
  ])('with %s is broken off, and its caller is told', async (_what, rest, detail) => {
    const caller = await uploader(Buffer.concat([Buffer.from(OPTION + partHead('file', 'a.wav')), FILE, Buffer.from(rest)]))
    await caller.heard('"BODY_INVALID"')
    expect(caller.received).toMatch(/^HTTP\/1\.1 400 /)
    expect(caller.received).toMatch(detail)
    const seen = await lastUpload()
    await until(() => seen.leftMs, { withinMs: 2_000, what: 'the backend to be let go' })
    expect(seen.sha256).toBe(null)
    caller.leave('close')
    expect((await gate.outcomes()).at(-1)).toMatchObject({ ended: 'refused', status: 400, code: 'BODY_INVALID' })
  })

  it('is not over for the backend when its file is: options may still be wrong', async () => {
    const caller = await uploader(
      Buffer.concat([Buffer.from(OPTION + partHead('file', 'a.wav')), FILE, Buffer.from(`\r\n${partHead('prompt')}`)]),
    )
    const seen = await lastUpload()
    await until(() => seen.bodyBytes > FILE.length, { withinMs: 5_000, what: 'the whole file at the backend' })
    expect(caller.received).toBe('')
    caller.write(`x\r\n${FORM_END}`)
    await caller.heard('prompt: came after the file')
    await until(() => seen.leftMs, { withinMs: 2_000, what: 'the backend to be let go' })
    expect(seen.sha256).toBe(null)
    caller.leave('close')
  })

  it('that ends without its last boundary is told so, and was never whole for the backend', async () => {
    const cut = Buffer.concat([Buffer.from(OPTION + partHead('file', 'a.wav')), FILE])
    const answer = await ask(gate.port, {
      path: '/whisper/api/transcribe',
      key: key.text,
      body: cut,
      headers: { 'content-type': FORM_TYPE },
    })
    expect([answer.status, answer.json().code]).toEqual([400, 'BODY_INCOMPLETE'])
    const seen = await lastUpload()
    await until(() => seen.leftMs, { withinMs: 2_000, what: 'the backend to be let go' })
    expect(seen.sha256).toBe(null)
    expect((await gate.outcomes()).at(-1)).toMatchObject({ ended: 'refused', status: 400 })
  })

  it('is whole though the backend takes it slowly and its caller has long sent everything', async () => {
    const slowly: Behaviour = async (x) => {
      for (let bytes = 64 * 1024; bytes < FILE.length; bytes += 256 * 1024) {
        await x.readSome(bytes)
        await x.wait(10)
      }
      await asrJson(' Hello')(x)
    }
    backend.use(() => slowly)
    const body = formBytes([
      ['language', 'en'],
      ['file', FILE],
    ])
    const answer = await ask(gate.port, { path: '/whisper/api/transcribe', key: key.text, body, headers: { 'content-type': FORM_TYPE } })
    expect(answer.json()).toEqual({ text: 'Hello' })
    expect((await lastUpload()).bodyBytes).toBeGreaterThan(FILE.length)
  })

  it('is framed with a length when it waited on disk, and in chunks when it did not', async () => {
    const send = (parts: Parameters<typeof formBytes>[0]) =>
      ask(gate.port, { path: '/whisper/api/transcribe', key: key.text, body: formBytes(parts), headers: { 'content-type': FORM_TYPE } })
    await send([['file', FILE]])
    const spooled = await lastUpload()
    expect([spooled.header('content-length'), spooled.header('transfer-encoding')]).toEqual([String(spooled.bodyBytes), undefined])
    await send([
      ['language', 'en'],
      ['file', FILE],
    ])
    const streamed = await lastUpload()
    expect([streamed.header('content-length'), streamed.header('transfer-encoding')]).toEqual([undefined, 'chunked'])
    for (const { body } of [spooled, streamed])
      expect(body.toString('latin1', 0, 400)).toContain('form-data; name="audio_file"; filename="sound.wav"')
  })

  it('waits for its welcome', async () => {
    const caller = await rawCaller(gate.port)
    const body = formBytes([
      ['language', 'en'],
      ['file', toneWav()],
    ])
    const headers = { 'Content-Type': FORM_TYPE, Expect: '100-continue', Connection: 'close' }
    caller.write(requestBytes({ path: '/whisper/api/transcribe', key: key.text, contentLength: body.length, headers }))
    await caller.heard('HTTP/1.1 100 Continue\r\n\r\n')
    caller.write(body)
    await caller.heard('{"text":"Hello"}')
    const wrong = `${key.text.slice(0, -1)}${key.text.endsWith('x') ? 'y' : 'x'}`
    const stranger = await rawCaller(gate.port)
    stranger.write(requestBytes({ path: '/whisper/api/transcribe', key: wrong, contentLength: body.length, headers }))
    await stranger.heard('HTTP/1.1 401')
    expect(stranger.received).not.toContain('100 Continue')
    stranger.leave('close')
  })

  it('is sent with nothing of its caller but the sound', async () => {
    const headers = { 'content-type': FORM_TYPE, cookie: 'a=b', 'x-forwarded-for': '10.0.0.1', origin: 'http://x' }
    await ask(gate.port, { path: '/whisper/api/transcribe', key: key.text, body: formBytes([['file', FILE]]), headers })
    const names = (await lastUpload()).rawHeaders.map(([name]) => name.toLowerCase()).sort()
    expect(names).toEqual(['accept-encoding', 'connection', 'content-length', 'content-type', 'host', 'x-request-id'])
  })
})

describe('a backend that does not want an upload', () => {
  const big = Buffer.alloc(24 * 1024 * 1024)
  const send = (parts: Parameters<typeof formBytes>[0]) =>
    ask(gate.port, { path: '/whisper/api/transcribe', key: key.text, body: formBytes(parts), headers: { 'content-type': FORM_TYPE } })

  it.each(['fin', 'rst', 'stall'] as const)('and says so early (%s) is heard, or at least not waited for', async (end) => {
    backend.use(() => early413(end))
    for (const parts of [
      [
        ['language', 'en'],
        ['file', big],
      ],
      [['file', big]],
    ] as const) {
      const answer = await send(parts)
      // When the reset overtakes the answer there is nothing to read any more.
      expect([413, 502]).toContain(answer.status)
      if (end === 'stall') expect(answer.status).toBe(413)
      expect(answer.json().code).toBe(answer.status === 413 ? 'BODY_TOO_LARGE' : 'UPSTREAM_DIED')
    }
  })

  it('and is cut off while it says so early, is heard by its status, and nothing of its half sentence is', async () => {
    backend.use(() => async (x) => {
      await x.readSome(FILE.length)
      await x.send('HTTP/1.1 413 Too Large\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"error":"half of a sen')
      x.rst()
    })
    const caller = await uploader(Buffer.concat([Buffer.from(OPTION + partHead('file', 'a.wav')), FILE]))
    await caller.heard('"BODY_TOO_LARGE"')
    expect(caller.received).toMatch(/^HTTP\/1\.1 413 /)
    expect(caller.received).not.toContain('half of')
    caller.leave('close')
    expect((await gate.outcomes()).at(-1)).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE', ended: 'refused' })
  })

  it('but broke off its refusal of a whole upload has died', async () => {
    backend.use(() => async (x) => {
      await x.body()
      await x.send('HTTP/1.1 413 Too Large\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"error":"half of a sen')
      x.rst()
    })
    const answer = await send([
      ['language', 'en'],
      ['file', FILE],
    ])
    expect([answer.status, answer.json().code]).toEqual([502, 'UPSTREAM_DIED'])
    expect((await gate.outcomes()).at(-1)).toMatchObject({ status: 502, ended: 'upstream_died' })
  })

  it('and answers early with a good word is believed', async () => {
    backend.use(() => async (x) => {
      await x.readSome(1_000)
      await x.send(whole(200, JSON.stringify({ text: 'soon' }), { 'content-type': 'application/json' }))
      await x.body()
    })
    expect(
      (
        await send([
          ['language', 'en'],
          ['file', big],
        ])
      ).json(),
    ).toEqual({ text: 'soon' })
  })

  it('and dies while it takes it is told', async () => {
    backend.use(() => async (x) => {
      await x.readSome(1_000_000)
      x.rst()
    })
    const answer = await send([
      ['language', 'en'],
      ['file', big],
    ])
    expect([answer.status, answer.json().code]).toEqual([502, 'UPSTREAM_DIED'])
  })
})

it('lets the backend go when the caller leaves while it listens to the file', async () => {
  backend.use(() => delayed(30_000, asrJson(' Hello')))
  const body = formBytes([
    ['language', 'en'],
    ['file', toneWav()],
  ])
  const caller = await rawCaller(gate.port)
  caller.write(
    requestBytes({ path: '/whisper/api/transcribe', key: key.text, contentLength: body.length, headers: { 'Content-Type': FORM_TYPE } }),
  )
  caller.write(body)
  const seen = await lastUpload()
  await until(() => seen.sha256, { withinMs: 2_000, what: 'the whole file at the backend' })
  const leftAtMs = caller.leave('close')
  const left = await until(() => seen.leftMs, { withinMs: 2_000, what: 'the backend to be let go' })
  expect(left - leftAtMs).toBeLessThan(1_000)
})

describe('an upload that waits for a place at the backend', () => {
  let narrow: GatewayUnderTest
  let narrowKey: TestKey
  let letGo = (): void => {}
  beforeAll(async () => {
    narrow = await startTestGateway({
      CHAT_ENABLED: 'false',
      WHISPER_ENABLED: 'true',
      WHISPER_URL: backend.url,
      WHISPER_CONCURRENCY: '1',
    })
    narrowKey = await narrow.key({ rights: ['whisper'] })
  })
  afterAll(async () => {
    await narrow.stop()
  })
  beforeEach(() => {
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    backend.use(() => async (x) => {
      await x.body()
      await held
      await asrJson(' Hello')(x)
    })
  })
  const send = (file: Buffer, options: Parameters<typeof formBytes>[0] = [['language', 'en']]) =>
    ask(narrow.port, {
      path: '/whisper/api/transcribe',
      key: narrowKey.text,
      body: formBytes([...options, ['file', file]]),
      headers: { 'content-type': FORM_TYPE },
    })
  const inFlight = (count: number) =>
    until(() => narrow.gateway.house.corridor.inFlight.size === count, { withinMs: 5_000, what: `${count} in flight` })

  it('goes on when the place is free, whole', async () => {
    const first = send(toneWav())
    await lastUpload()
    const [streams, spooled] = [send(FILE), send(FILE, [])]
    await inFlight(3)
    expect(uploads()).toHaveLength(1)
    letGo()
    for (const answer of await Promise.all([first, streams, spooled])) expect(answer.json()).toEqual({ text: 'Hello' })
    expect(uploads().map(({ bodyBytes }) => bodyBytes > FILE.length)).toEqual([false, true, true])
  })

  it.each([
    ['streaming', OPTION + partHead('file', 'a.wav')],
    ['on disk', `${partHead('file', 'a.wav')}sound\r\n${FORM_END}`],
  ])('and whose caller leaves meanwhile (%s) is never sent', async (_how, start) => {
    const first = send(toneWav())
    await lastUpload()
    const caller = await rawCaller(narrow.port)
    const contentLength = start.endsWith(FORM_END) ? Buffer.byteLength(start) : 10_000_000
    caller.write(
      requestBytes({ path: '/whisper/api/transcribe', key: narrowKey.text, contentLength, headers: { 'Content-Type': FORM_TYPE } }),
    )
    caller.write(start)
    await inFlight(2)
    caller.leave('reset')
    await inFlight(1)
    letGo()
    expect((await first).status).toBe(200)
    await narrow.quiet()
    expect(uploads()).toHaveLength(1)
  })
})
