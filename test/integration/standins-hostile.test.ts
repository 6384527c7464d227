import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { Agent, request } from 'undici'
import { afterEach, expect, it } from 'vitest'
import { chaosProxy } from '../support/chaos-proxy.ts'
import * as hostile from '../support/hostile.ts'
import { until } from '../support/until.ts'

const open: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function upstream(behaviour: hostile.Behaviour, options?: hostile.HostileOptions): Promise<hostile.HostileUpstream> {
  const server = await hostile.hostileUpstream(() => behaviour, options)
  open.push(server)
  return server
}

/** A client of its own connections, so that no test meets another one's sockets. */
function client(): Agent {
  const agent = new Agent()
  open.push({ close: () => agent.destroy() })
  return agent
}

async function ask(url: string, body: string | Buffer | null = null, dispatcher = client()) {
  const answer = await request(url, { method: body === null ? 'GET' : 'POST', body, dispatcher })
  return { status: answer.statusCode, headers: answer.headers, trailers: answer.trailers, text: await answer.body.text() }
}

/** How a raw exchange ended: what came, and whether a reset ended it. */
function raw(port: number, bytes: string): Promise<{ text: string; reset: boolean }> {
  return new Promise((resolve) => {
    let text = ''
    let reset = false
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('error', (fault: NodeJS.ErrnoException) => {
      reset = fault.code === 'ECONNRESET'
    })
    socket.on('close', () => resolve({ text, reset }))
  })
}

const GET = 'GET /x HTTP/1.1\r\nHost: h\r\n\r\n'

it('remembers each request as it came, chunked bodies and repeated headers too', async () => {
  const server = await upstream(hostile.echo())
  const body = Buffer.alloc(300_000, 'ab')
  const agent = new Agent({ connections: 1 })
  open.push({ close: () => agent.destroy() })
  await ask(`${server.url}/a%2Fb?q=1`, body, agent)
  const chunked = Readable.from([Buffer.from('one'), Buffer.from('two')])
  await (await request(server.url, { method: 'DELETE', body: chunked, dispatcher: agent, headers: { 'X-Twice': ['1', '2'] } })).body.dump()
  expect(server.seen).toHaveLength(2)
  expect(server.seen[0]).toMatchObject({ method: 'POST', target: '/a%2Fb?q=1', bodyBytes: 300_000, connection: 1, leftMs: null })
  expect(server.seen[0]?.sha256).toBe(createHash('sha256').update(body).digest('hex'))
  expect(server.seen[1]).toMatchObject({ method: 'DELETE', bodyBytes: 6, connection: 1 })
  expect(server.seen[1]?.body.toString()).toBe('onetwo')
  expect(server.seen[1]?.header('x-twice')).toBe('1, 2')
  expect(server.faults).toEqual([])
})

it('cuts where it is told: before, within and after headers, by FIN or RST', async () => {
  for (const how of ['fin', 'rst'] as const) {
    const reset = how === 'rst'
    const before = await upstream(hostile.cutBeforeHeaders(how))
    expect(await raw(before.port, GET)).toEqual({ text: '', reset })
    const within = await upstream(hostile.cutMidHeaders(how))
    // From here on Node 20 reports a reset that arrives together with bytes as an end, so only the bytes are compared.
    expect((await raw(within.port, GET)).text).toBe('HTTP/1.1 200 OK\r\ncontent')
    const body = await upstream(hostile.cutMidBody(how, 100))
    expect((await raw(body.port, GET)).text).toMatch(/content-length: 100\r\n\r\nx{50}$/)
    await expect(ask(body.url)).rejects.toThrow()
    const stream = await upstream(hostile.cutAfter(60, how, hostile.ollamaStream({ everyMs: 1 })))
    expect((await raw(stream.port, GET)).text).toHaveLength(60)
    expect([before, within, body, stream].flatMap(({ faults }) => faults)).toEqual([])
  }
})

it('streams as Ollama does, and fails as Ollama does', async () => {
  const server = await upstream(hostile.ollamaStream())
  const last = (text: string) => JSON.parse(text.trim().split('\n').at(-1) ?? '')
  const use = async (behaviour: hostile.Behaviour) => {
    server.use(() => behaviour)
    return ask(server.url, '{}')
  }
  expect(last((await ask(server.url, '{}')).text)).toMatchObject({ done: true, eval_count: 5 })
  expect(last((await use(hostile.ollamaStream({ metrics: false, face: 'chat' }))).text)).not.toHaveProperty('eval_count')
  expect(last((await use(hostile.ollamaStream({ failAfter: 2 }))).text)).toHaveProperty('error')
  expect(last((await use(hostile.ollamaStream({ end: 'eof' }))).text)).toMatchObject({ done: false })
  const uneven = (await use(hostile.ollamaUnevenChunks())).text
  expect(uneven).toBe(hostile.ollamaLines().join(''))
  const shredded = hostile.shredded(1, hostile.ollamaStream({ tokens: ['é', '世'] }), 0)
  expect((await use(shredded)).text).toContain('世')
  expect((await use(hostile.inOneWrite(hostile.ollamaStream()))).text).toBe(hostile.ollamaLines().join(''))
  expect(await use(hostile.ollamaBusy())).toMatchObject({ status: 503 })
  expect(await use(hostile.ollamaManners(hostile.json({})))).toMatchObject({ status: 200 })
})

it('notes within milliseconds when its client leaves, and keeps a deaf server deaf', async () => {
  for (const deaf of [false, true]) {
    const server = await upstream(hostile.delayed(150, hostile.json({})), { deaf })
    const leaving = new AbortController()
    const asked = request(server.url, { method: 'POST', body: 'x', signal: leaving.signal, dispatcher: client() })
    await until(() => server.seen[0]?.bodyBytes === 1, { withinMs: 1_000, what: 'the request to arrive' })
    const second = ask(server.url)
    leaving.abort()
    await expect(asked).rejects.toThrow()
    const leftMs = performance.now()
    expect((await second).status).toBe(200)
    const [first, other] = server.seen
    if (deaf) expect(other?.atMs ?? 0).toBeGreaterThanOrEqual(first?.doneMs ?? Number.NaN)
    else expect((first?.leftMs ?? Number.NaN) - leftMs).toBeLessThan(100)
    // A deaf server finds out when it writes its answer.
    if (deaf) expect(first?.leftMs ?? Number.POSITIVE_INFINITY).toBeGreaterThan(leftMs + 100)
  }
})

it('answers early, twice, too much, too little and unasked', async () => {
  const early = await upstream(hostile.early(200, '{"early":true}'))
  const pieces = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n'
  const socket = connect(early.port, '127.0.0.1', () => socket.write(pieces))
  await new Promise((resolve) => socket.once('data', resolve))
  expect(early.seen[0]).toMatchObject({ bodyBytes: 0, doneMs: null })
  socket.write('0123456789')
  await until(() => early.seen[0]?.doneMs, { withinMs: 1_000, what: 'the body to be read after the answer' })
  socket.destroy()

  const count = (text: string) => text.split('HTTP/1.1 200').length - 1
  const end = async (behaviour: hostile.Behaviour) => raw((await upstream(behaviour, { idleCloseMs: 30 })).port, GET)
  expect(count((await end(hostile.twice('"a"', '"b"'))).text)).toBe(2)
  expect((await end(hostile.overlong('"a"'))).text).toContain('{"poison":true}')
  expect((await end(hostile.unprompted(hostile.json('a'), hostile.whole(200, 'late'), 5))).text).toMatch(/late$/)
  expect((await end(hostile.informational(50, hostile.json('a')))).text.split('HTTP/1.1 102').length).toBe(51)
  const greeted = await upstream(hostile.json('a'), { greeting: hostile.whole(200, 'hello'), idleCloseMs: 30 })
  expect((await raw(greeted.port, GET)).text).toMatch(/hello.*"a"$/s)
})

it('refuses uploads without reading them', async () => {
  const server = await upstream(hostile.early413('stall'))
  const body = Buffer.alloc(20_000_000)
  const answer = await request(server.url, { method: 'POST', body, dispatcher: client() })
  expect(answer.statusCode).toBe(413)
  expect(server.seen[0]?.bodyBytes).toBeLessThan(100_000)
})

it('speaks the rest of HTTP, right and wrong', async () => {
  const server = await upstream(hostile.html500())
  const use = (behaviour: hostile.Behaviour) => {
    server.use(() => behaviour)
    return ask(server.url)
  }
  expect(await ask(server.url)).toMatchObject({ status: 500, text: expect.stringContaining('<h1>') })
  expect(await use(hostile.redirect('http://other.example/', 307))).toMatchObject({
    status: 307,
    headers: { location: 'http://other.example/' },
  })
  expect(await use(hostile.bodiless(204))).toMatchObject({ status: 204, text: '' })
  expect(await use(hostile.bodiless(304))).toMatchObject({ status: 304, text: '' })
  expect(await use(hostile.trailers('{}', { 'x-sum': '1' }))).toMatchObject({ text: '{}', trailers: { 'x-sum': '1' } })
  expect(await use(hostile.gzipped({ a: 1 }))).toMatchObject({ headers: { 'content-encoding': 'gzip' } })
  expect(await use(hostile.untilClose('text/plain', ['all', ' of it'], 'fin'))).toMatchObject({ text: 'all of it' })
  expect(await use(hostile.mislabelledMp3())).toMatchObject({ headers: { 'content-type': 'audio/wav' } })
  expect(await use(hostile.speechSseError())).toMatchObject({ status: 200, text: expect.stringContaining('"error"') })
  expect(await use(hostile.basicAuth('u', 'p', hostile.json({})))).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Basic' } })
  expect(await use(hostile.asrJson('hi'))).toMatchObject({ headers: { 'content-type': 'text/plain; charset=utf-8' } })
  expect(JSON.parse((await use(hostile.a1111Silence(5, { imageBytes: 8_000_000, info: '' }))).text)).toMatchObject({ info: '' })
  await expect(use(hostile.hugeHeaders(40_000))).rejects.toThrow()
  await expect(use(hostile.rubbish())).rejects.toThrow()
})

it('keeps one A1111 state for everybody', async () => {
  const world = hostile.a1111World({ jobMs: 60_000 })
  const server = await hostile.hostileUpstream(world.script)
  open.push(server)
  const txt2img = (task: string, signal?: AbortSignal) =>
    request(`${server.url}/sdapi/v1/txt2img`, {
      method: 'POST',
      body: JSON.stringify({ force_task_id: task }),
      signal,
      dispatcher: client(),
    })
  const leaving = new AbortController()
  const first = txt2img('first', leaving.signal)
  await until(() => world.current() === 'first', { withinMs: 1_000, what: 'the first job' })
  const second = txt2img('second')
  await until(() => server.seen.length === 2, { withinMs: 1_000, what: 'the second job to queue' })
  leaving.abort()
  await expect(first).rejects.toThrow()
  await until(() => server.seen[0]?.leftMs, { withinMs: 1_000, what: 'the first caller to be gone' })
  expect(JSON.parse((await ask(`${server.url}/sdapi/v1/progress`)).text)).toMatchObject({ current_task: 'first' })
  await ask(`${server.url}/sdapi/v1/interrupt`, '{}')
  await until(() => world.current() === 'second', { withinMs: 1_000, what: 'the second job' })
  await ask(`${server.url}/sdapi/v1/interrupt`, '{}')
  expect((await second).statusCode).toBe(200)
  expect(world).toMatchObject({ interrupted: ['first', 'second'], wronged: ['second'] })
})

it('the chaos proxy breaks connections at the byte it is told, in both directions', async () => {
  const server = await upstream(hostile.echo())
  const proxy = await chaosProxy(server.port)
  open.push(proxy)
  expect((await ask(proxy.url, 'all goes through')).status).toBe(200)
  const whole = proxy.connections[0]
  expect(whole).toMatchObject({ cut: false })
  for (const how of ['rst', 'fin'] as const) {
    for (const direction of ['up', 'down'] as const) {
      for (const atByte of [0, 1, 40, (whole?.[direction] ?? 0) - 1]) {
        proxy.use(() => ({ direction, atByte, how }))
        const before = server.requests
        await expect(ask(proxy.url, 'all goes through')).rejects.toThrow()
        expect(proxy.connections.at(-1)).toMatchObject({ cut: true, [direction]: atByte })
        if (direction === 'down' && atByte > 0) expect(server.requests).toBe(before + 1)
      }
    }
  }
  proxy.use(() => ({ direction: 'down', atByte: 10, how: 'stall' }))
  const late = request(proxy.url, { dispatcher: client(), headersTimeout: 50 })
  await expect(late).rejects.toThrow('Headers Timeout')
  proxy.use(() => null)
  expect((await ask(proxy.url)).status).toBe(200)
})
