import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { pages, partsOf, ROOT } from '../support/command-lines.ts'
import { freePort, freePorts } from '../support/free-port.ts'
import { type Program, portcullis, type Scratch, scratch, shell, start, startPortcullis } from '../support/program.ts'
import { listen } from '../support/server.ts'

type Environment = Readonly<Record<string, string>>

const NO_UPDATES = { NPM_CONFIG_UPDATE_NOTIFIER: 'false', NPM_CONFIG_FUND: 'false' }
const withoutNpm = (text: string): string => text.replaceAll(/^npm .*\n/gm, '')

/** Addresses at which nothing listens. */
async function nowhere(): Promise<Environment> {
  const [ollama, tts, image, whisper] = await freePorts(4)
  const at = (port: number | undefined): string => `http://127.0.0.1:${port}`
  return { OLLAMA_URL: at(ollama), TTS_URL: at(tts), IMAGE_URL: at(image), WHISPER_URL: at(whisper) }
}

const lines = (partsOf(pages().get('README.md')?.split('## The real thing')[1] ?? '').blocks[0]?.text ?? '')
  .split('\n')
  .map((line) => line.replace(/\s+#.*$/, ''))
  .filter((line) => line !== '')

describe('the real thing of README.md', () => {
  let place: Scratch
  let env: Environment
  let port: number
  let gateway: Program
  let key = ''
  const [npmStart = '', generate = '', ask = '', status = '', verify = '', ...more] = lines
  const paste = (line: string) => shell(line, { cwd: ROOT, env })

  beforeAll(async () => {
    place = scratch('start')
    port = await freePort()
    env = { ...place.env, ...NO_UPDATES, ...(await nowhere()), PORT: String(port) }
    gateway = start('sh', ['-c', `exec ${npmStart}`], { cwd: ROOT, env, group: true })
    await gateway.said(/listening on http:\/\/127\.0\.0\.1:\d+/)
  })
  afterAll(async () => {
    await gateway.kill()
    place.remove()
  })

  it('starts without a key, closed to everybody, and says how to make one', async () => {
    expect(more).toEqual([])
    expect(npmStart).toBe('npm start')
    await gateway.said(/there is no key yet, so the gateway is closed to everybody; make one with: scripts\/apikey generate -u YOU -s all/)
    for (const bad of [{}, { key: `pcl_${'a'.repeat(12)}_${'b'.repeat(38)}` }])
      expect(await call(port, { path: '/chat/api/tags', ...bad })).toMatchObject({ status: 401, complete: true })
  })

  it('greets whoever looks, and the clients of Ollama', async () => {
    const hello = await call(port, { path: '/' })
    expect([hello.status, JSON.parse(hello.body)]).toEqual([
      200,
      {
        name: 'portcullis',
        version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
        links: { health: '/health', ready: '/ready', status: '/status', metrics: '/metrics' },
      },
    ])
    expect(await call(port, { path: '/chat' })).toMatchObject({ status: 200, body: 'Ollama is running' })
    expect(await call(port, { path: '/chat', method: 'HEAD' })).toMatchObject({ status: 200, body: '', complete: true })
    expect(await call(port, { path: '/health' })).toMatchObject({ status: 200 })
    expect(await call(port, { path: '/ready' })).toMatchObject({ status: 200 })
  })

  it('makes a key that works from that moment, and shows it once', async () => {
    const { status: ended, out, err } = await paste(generate)
    expect(ended).toBe(0)
    expect(out).toMatch(/^pcl_\w+\n$/)
    expect(err).not.toContain(out.trim())
    expect(err).toContain(`${place.env.DATA_DIR} (the running gateway)`)
    key = out.trim()
    const answer = await call(port, { path: '/chat/api/tags', key })
    expect(answer).toMatchObject({
      status: 503,
      headers: { 'retry-after': '5' },
      body: '{"error":"The backend of chat cannot be reached"}',
    })
    expect(await call(port, { path: '/image/api/models', key })).toMatchObject({ status: 403 })
  })

  it('asks a person, and tells a script how it is used', async () => {
    const ran = await paste(ask)
    expect(ran).toMatchObject({ status: 2, out: '', err: expect.stringContaining('Usage: portcullis key') })
  })

  it('says how the backends are, and why not', async () => {
    const ran = await paste(status)
    expect([ran.status, withoutNpm(ran.err)]).toEqual([0, ''])
    expect(ran.out).toMatch(/^portcullis \d+\.\d+\.\d+, ready, up (?:\d+ min )?\d+ s, 0 in flight$/m)
    expect(ran.out).toContain(`chat: ${env.OLLAMA_URL} refused the connection: nothing listens there. Ollama listens on 127.0.0.1 only`)
    expect(ran.out.match(/\bdown\b/g)).toHaveLength(4)
  })

  it('verifies the ledger', async () => {
    const ran = await paste(verify)
    expect([ran.status, withoutNpm(ran.err)]).toEqual([0, ''])
    expect(ran.out).toContain('The ledger is whole')
  })

  it('refuses a second one on the same data, and says who has it', async () => {
    const ran = await portcullis(['serve'], { env: { ...env, PORT: '0' } })
    expect(ran.status).toBe(3)
    expect(ran.err).toMatch(
      new RegExp(
        `^${place.env.DATA_DIR} is in use by process \\d+ on \\S+ \\(serve, since \\S+\\)\\. One process owns a data directory: end that one, or give this one a DATA_DIR of its own\\.\n$`,
      ),
    )
  })

  it('ends with Ctrl-C, and leaves a ledger that is whole', async () => {
    gateway.signal('SIGINT')
    expect((await gateway.ended).status).toBe(0)
    const ran = await portcullis(['audit', 'verify'], { env })
    expect(ran).toMatchObject({ status: 0, out: expect.stringContaining('The ledger is whole') })
    expect(ran.out).not.toContain('without an outcome')
  })
})

describe('what a person reads when something is in the way', () => {
  let place: Scratch
  beforeEach(() => {
    place = scratch('messages')
  })
  afterEach(() => place.remove())
  const run = (words: readonly string[], env: Environment = {}) => portcullis(words, { env: { ...place.env, LOG_LEVEL: 'warn', ...env } })

  it('a port that is taken, and what to type', async () => {
    const other = await listen(createServer())
    const ran = await run(['serve'], { PORT: String(other.port) })
    await other.close()
    expect(ran).toEqual({
      status: 3,
      out: '',
      err: `Port ${other.port} on 127.0.0.1 is taken by another program. End that one, or choose another port: PORT=${other.port + 1} npm start\n`,
    })
    expect(await run(['audit', 'verify'])).toMatchObject({ status: 0 }) // it left its ledger whole
  })

  it('an address that is not of this machine', async () => {
    const ran = await run(['serve'], { HOST: '192.0.2.7', PORT: '0' })
    expect([ran.status, ran.err]).toEqual([3, expect.stringMatching(/^192\.0\.2\.7 is no address of this machine\. HOST=127\.0\.0\.1 /)])
  })

  it('a ledger that is a directory', async () => {
    // Its lock stands beside it, so it may not be the test's own directory: that would leave the lock behind.
    const directory = join(place.dir, 'logs')
    mkdirSync(directory)
    const ran = await run(['serve'], { AUDIT_LOG_FILE: directory, PORT: '0' })
    expect(ran.status).toBe(3)
    expect(ran.err).toMatch(/^The gateway cannot start: /)
    expect(ran.err).toContain(`  ledger  ${directory}\n`)
    expect(ran.err).not.toMatch(/^\s+at /m)
  })

  it('no gateway to ask, or another program in its place', async () => {
    const port = await freePort()
    const nobody = await run(['status'], { PORT: String(port) })
    expect(nobody.status).toBe(3)
    expect(nobody.err).toMatch(
      new RegExp(`^No gateway answers at http://127.0.0.1:${port}/status \\(.*ECONNREFUSED.*\\)\\. Is it running, and on that port\\?\n$`),
    )
    const other = await listen(createServer((_req, res) => res.end('<html>')))
    const stranger = await run(['status'], { PORT: String(other.port) })
    await other.close()
    expect(stranger).toMatchObject({
      status: 3,
      err: `What answers at http://127.0.0.1:${other.port}/status (status 200) is not this gateway.\n`,
    })
  })

  it('a gateway that wants a key for its status', async () => {
    const other = await listen(createServer((_req, res) => res.writeHead(401, { 'content-type': 'application/problem+json' }).end('{}')))
    const ran = await run(['status', '--json'], { PORT: String(other.port) })
    await other.close()
    expect(ran.status).toBe(3)
    expect(ran.err).toContain('need a key with the right observe')
  })

  it('every fault of a configuration, in the order of its lines, whatever asked for it', async () => {
    const file = join(place.dir, 'faults.yaml')
    writeFileSync(
      file,
      'trusted_proxies: [home]\nserver:\n  hosts: x\nservices:\n  rerank:\n    url: http://127.0.0.1:9\n    routes: [FETCH /x]\n',
    )
    const env = { PORTCULLIS_CONFIG: file, PORT: 'eighty' }
    const faults = [
      'The configuration has 4 faults:',
      '  PORT: want a whole number from 0 to 65535 (it is "eighty")',
      `  ${file}:1 trusted_proxies: "home" is not a network: want a CIDR such as 10.0.0.0/8, an address, private or cloudflare (it is ["home"])`,
      `  ${file}:3 server.hosts: there is no setting server.hosts`,
      `  ${file}:7 services.rerank.routes: FETCH is not a method that can be carried`,
    ]
    for (const words of [['config', 'check'], ['serve'], ['status'], ['key', 'list']])
      expect([words, await run(words, env)]).toEqual([words, { status: 2, out: '', err: `${faults.join('\n')}\n` }])
  })

  it('a configuration that is valid, in a few lines', async () => {
    const ran = await run(['config', 'check'])
    expect(ran).toMatchObject({ status: 0, err: '' })
    expect(ran.out).toMatch(/^The configuration is valid \(.*\)\.\n/)
    for (const prefix of ['/chat', '/tts', '/image', '/whisper'])
      expect(ran.out).toMatch(new RegExp(`^ {2}${prefix} +http://\\S+ \\(\\w+, \\d+ routes?\\)$`, 'm'))
  })

  it('a command that does not exist, and the version', async () => {
    expect(await run(['serv'])).toMatchObject({ status: 2, out: '', err: expect.stringContaining("unknown command 'serv'") })
    expect(await run(['--version'])).toMatchObject({ status: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: '' })
  })

  it('nothing at all, where a stop comes while it starts', async () => {
    const program = startPortcullis(['serve'], { env: { ...place.env, PORT: '0' } })
    await program.said(/ledger: writable/)
    program.signal('SIGTERM')
    await program.ended
    expect(await run(['audit', 'verify'])).toMatchObject({ status: 0 })
  })
})
