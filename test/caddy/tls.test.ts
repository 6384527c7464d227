import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { type RequestOptions, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningCaddy, startCaddy } from '../support/caddy.ts'
import { type StandIn, standInGatekeeper } from '../support/stand-in-gatekeeper.ts'
import { lacking, named } from '../support/tools.ts'
import { until } from '../support/until.ts'

const reason = lacking('caddy')

describe.skipIf(reason)(named('TLS', reason), () => {
  let gatekeeper: StandIn
  let local: RunningCaddy
  let own: RunningCaddy
  let authority: Buffer
  const data = mkdtempSync(join(tmpdir(), 'portcullis-tls-'))
  const root = join(data, 'caddy/pki/authorities/local/root.crt')
  const leaf = join(data, 'caddy/certificates/local/localhost/localhost')

  beforeAll(async () => {
    gatekeeper = await standInGatekeeper()
    local = await startCaddy({ gatekeeper: gatekeeper.address, env: { TLS_MODE: 'local', XDG_DATA_HOME: data } })
    await until(() => existsSync(`${leaf}.crt`) && existsSync(`${leaf}.key`), { withinMs: 10_000, what: 'a certificate for localhost' })
    authority = readFileSync(root)
    // The certificate that the local authority has issued serves as one of our own.
    own = await startCaddy({
      gatekeeper: gatekeeper.address,
      env: { TLS_MODE: 'own', SITE: 'localhost', TLS_CERT: `${leaf}.crt`, TLS_KEY: `${leaf}.key` },
    })
  })
  afterAll(async () => {
    await own?.stop()
    await local?.stop()
    await gatekeeper?.close()
    rmSync(data, { recursive: true, force: true })
  })

  const overTls = async ({ tlsPort }: RunningCaddy, options: RequestOptions = {}) => {
    const req = request({ host: '127.0.0.1', servername: 'localhost', port: tlsPort, path: '/health', ca: authority, ...options })
    req.setHeader('host', options.headers ? String(Reflect.get(options.headers, 'host')) : 'localhost')
    return answerTo(req.end())
  }
  const plain = ({ port }: RunningCaddy, host: string, headers = {}) =>
    answerTo(get({ host: '127.0.0.1', port, path: '/health', headers: { host, ...headers } }))

  test('local: localhost over plain HTTP and over the local authority\u2019s certificate', async () => {
    for (const res of [await plain(local, 'localhost'), await overTls(local)]) {
      expect(res.statusCode).toBe(200)
      expect(res.headers['strict-transport-security']).toBeUndefined()
    }
    expect(gatekeeper.seen.at(-1)?.headers['x-forwarded-proto']).toBe('https')
  })

  test('own: strict transport, and plain HTTP is sent to HTTPS', async () => {
    const secure = await overTls(own)
    expect(secure.statusCode).toBe(200)
    expect(secure.headers['strict-transport-security']).toBe('max-age=15552000')
    const insecure = await plain(own, 'localhost')
    expect(insecure.statusCode).toBe(308)
    expect(insecure.headers.location).toBe('https://localhost/health')
  })

  test.each([{ 'x-api-key': 'pcl_x' }, { authorization: 'Bearer pcl_x' }])(
    'own: a key sent in clear is told so, not redirected',
    async (key) => {
      gatekeeper.seen.length = 0
      expect((await plain(own, 'localhost', key)).statusCode).toBe(403)
      expect(gatekeeper.seen).toEqual([])
    },
  )

  test('another name is refused in words, and never reaches the gatekeeper', async () => {
    gatekeeper.seen.length = 0
    for (const caddy of [local, own]) {
      expect((await plain(caddy, 'elsewhere.example')).statusCode).toBe(421)
      expect((await overTls(caddy, { headers: { host: 'elsewhere.example' } })).statusCode).toBe(421)
    }
    await expect(overTls(own, { servername: 'elsewhere.example' })).rejects.toThrow()
    expect(gatekeeper.seen).toEqual([])
  })

  test('HTTP/2 streams chunk by chunk too', async () => {
    let more = () => {}
    gatekeeper.answerWith((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: 1\n\n')
      more = () => res.end('data: 2\n\n')
    })
    const socket = connectTls({ host: '127.0.0.1', port: own.tlsPort, servername: 'localhost', ca: authority, ALPNProtocols: ['h2'] })
    const session = connectHttp2('https://localhost', { createConnection: () => socket })
    try {
      const stream = session.request({ ':path': '/v1/chat/completions', ':method': 'POST', 'x-api-key': 'pcl_x' }).setEncoding('utf8')
      stream.end('{}')
      let text = ''
      stream.on('data', (chunk: string) => {
        text += chunk
      })
      await until(() => text === 'data: 1\n\n', { withinMs: 2_000, what: 'the first event' })
      more()
      await once(stream, 'end')
      expect(text).toBe('data: 1\n\ndata: 2\n\n')
    } finally {
      session.destroy()
    }
  })
})

async function answerTo(req: ReturnType<typeof request>): Promise<IncomingMessage> {
  const [res] = (await once(req, 'response')) as [IncomingMessage] // the event's only argument
  res.resume()
  await once(res, 'end')
  return res
}
