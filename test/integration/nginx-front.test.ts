import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { parseAnswer, rawExchange } from '../support/raw-http.ts'
import { type StandIn, standInGatekeeper } from '../support/stand-in-gatekeeper.ts'
import { lacking, named, toolOrThrow } from '../support/tools.ts'
import { until } from '../support/until.ts'

const reason = lacking('nginx')

interface RunningNginx {
  readonly port: number
  readonly home: string
  stop(): Promise<void>
}

/** The block of docs/deploying.md, with this test's ports in place of its own. */
async function startNginx(gatekeeper: string): Promise<RunningNginx> {
  const nginx = toolOrThrow('nginx')
  const home = mkdtempSync(join(tmpdir(), 'portcullis-nginx-'))
  const port = await freePort()
  const page = readFileSync(new URL('../../docs/deploying.md', import.meta.url), 'utf8')
  const block = /```nginx\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
  const site = block
    .replace('server 127.0.0.1:8080;', `server ${gatekeeper};`)
    .replace('listen 80;', `listen 127.0.0.1:${port};`)
    .replace('client_max_body_size 208m;', 'client_max_body_size 1m;')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(home, name)};`)
  mkdirSync(join(home, 'logs'))
  writeFileSync(
    join(home, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${join(home, 'pid')};\nevents {}\nhttp {\n${temporary.join('\n')}\n${site}\n}\n`,
  )
  // One process: with a master there would be two to end.
  const args = ['-p', home, '-c', join(home, 'nginx.conf'), '-e', join(home, 'logs/error.log'), '-g', 'master_process off;']
  const child = spawn(nginx.path, [...nginx.args, ...args], { env: { ...process.env, ...nginx.env }, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
    rmSync(home, { recursive: true, force: true })
  }
  const open = async () => {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${said}`)
    const socket = connect(port, '127.0.0.1')
    const result = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(
      () => false,
    )
    socket.destroy()
    return result
  }
  try {
    await until(open, { withinMs: 5_000, what: 'nginx to listen' })
  } catch (fault) {
    await stop()
    throw fault
  }
  return { port, home, stop }
}

describe.skipIf(reason)(named('nginx, configured as docs/deploying.md says', reason), () => {
  let gatekeeper: StandIn
  let nginx: RunningNginx
  beforeAll(async () => {
    gatekeeper = await standInGatekeeper()
    nginx = await startNginx(gatekeeper.address)
  })
  afterAll(async () => {
    await nginx?.stop()
    await gatekeeper?.close()
  })

  const ask = async (target: string, headers: readonly string[] = [], method = 'GET') => {
    gatekeeper.seen.length = 0
    const lines = [`${method} ${target} HTTP/1.1`, 'Host: gate:8443', 'Connection: close', ...headers, '', '']
    return { ...parseAnswer(await rawExchange(nginx.port, lines.join('\r\n'))), seen: gatekeeper.seen[0] }
  }

  test('turns away who brings no key, with the same exceptions as Caddy', async () => {
    for (const target of [
      '/chat',
      '/v1/models',
      '/admin',
      '/health/x',
      '/chat/health',
      '/v1/audio/voices/x',
      '/v1/audio/speech',
      '/x/v1/audio/voices',
    ])
      expect(await ask(target)).toMatchObject({ status: 401, body: '401 Unauthorized - API Key Required', seen: undefined })
    for (const target of ['/', '/health', '/ready', '/console', '/console/a.js', '/admin/api/keys'])
      expect((await ask(target)).status).toBe(200)
    for (const target of ['/v1/audio/voices', '/v1/audio/models']) {
      for (const method of ['GET', 'HEAD']) expect((await ask(target, [], method)).status).toBe(200)
      for (const method of ['POST', 'DELETE']) expect((await ask(target, [], method)).status).toBe(401)
    }
    expect((await ask('/chat', [], 'OPTIONS')).status).toBe(200)
    expect((await ask('/chat', ['X-API-Key: k'])).status).toBe(200)
    expect((await ask('/chat', ['Authorization: Bearer k'])).status).toBe(200)
    for (const target of ['/status', '/metrics', '/metrics/x']) expect((await ask(target, ['X-API-Key: k'])).status).toBe(404)
  })

  test('passes no claim about the caller\u2019s address', async () => {
    const lies = ['X-Forwarded-For', 'X-Real-IP', 'CF-Connecting-IP', 'True-Client-IP'].map((name) => `${name}: 6.6.6.6`)
    const { seen } = await ask('/health', [...lies, 'Forwarded: for=6.6.6.6', 'X-Forwarded-Proto: https'])
    expect(JSON.stringify(seen?.headers)).not.toContain('6.6.6.6')
    expect(seen?.headers).toMatchObject({ host: 'gate:8443', 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' })
  })

  test.each(['//chat//api/tags', '/x/../chat', '/chat%2Fapi', '/chat/..;/x', '/chat/api/tags?x=1;y', '/x/%2e%2e/chat', '/chat%5cx'])(
    'does not rewrite a path: %s',
    async (target) => {
      expect((await ask(target, ['X-API-Key: k'])).seen?.target).toBe(target)
    },
  )

  test('passes an answer on chunk by chunk', async () => {
    let more = () => {}
    gatekeeper.answerWith((_req, res) => {
      res.writeHead(200, { 'content-type': 'application/x-ndjson' })
      res.write('{"n":1}\n')
      more = () => res.end('{"n":2}\n')
    })
    const req = request({ port: nginx.port, host: '127.0.0.1', path: '/chat/api/generate', headers: { 'x-api-key': 'k' } })
    let text = ''
    req.on('response', (res) => {
      res.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
    })
    req.end()
    await until(() => text === '{"n":1}\n', { withinMs: 2_000, what: 'the first line' })
    more()
    await until(() => text === '{"n":1}\n{"n":2}\n', { withinMs: 2_000, what: 'the second line' })
  })

  test('sends a request once, and its log holds no key', async () => {
    gatekeeper.answerWith((req) => req.socket.destroy())
    for (const method of ['POST', 'GET']) {
      const { status } = await ask('/chat/api/generate?api_key=CANARY', ['X-API-Key: CANARY', 'Content-Length: 0'], method)
      expect(status).toBe(502)
      expect(gatekeeper.seen).toHaveLength(1)
    }
    const log = await until(() => readFileSync(join(nginx.home, 'logs/access.json'), 'utf8'), { withinMs: 2_000, what: 'the access log' })
    expect(log).not.toContain('CANARY')
    expect(JSON.parse(log.split('\n')[0] ?? '')).toMatchObject({ address: '127.0.0.1', method: 'GET', status: 401 })
  })
})
