import { appendFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { pages, partsOf, ROOT } from '../support/command-lines.ts'
import { readRecords } from '../support/gateway.ts'
import { type PlainBackend, plainBackend } from '../support/plain-backend.ts'
import { lackingPrograms, type Program, type Scratch, scratch, shell, startPortcullis } from '../support/program.ts'
import { named } from '../support/tools.ts'
import { until } from '../support/until.ts'

const { blocks } = partsOf(pages().get('docs/adding-a-service.md') ?? '')
const textOf = (wanted: string): string => blocks.find(({ language }) => language === wanted)?.text ?? ''
const [BLOCK, THEN] = [textOf('yaml'), textOf('sh')]
const lacking = lackingPrograms('curl', 'jq')

let place: Scratch
let backend: PlainBackend
let gateway: Program
let port: number
let file: string
let env: Readonly<Record<string, string>>

beforeEach(async () => {
  place = scratch('reload')
  backend = await plainBackend()
  file = join(place.dir, 'portcullis.yaml')
  const secret = join(place.dir, 'rerank.secret')
  writeFileSync(secret, 'Bearer of-the-reranker', { mode: 0o600 })
  writeFileSync(file, '# nothing yet\n')
  // `portcullis` as it is in the container: a link to the built file.
  mkdirSync(join(place.dir, 'bin'))
  symlinkSync(join(ROOT, 'dist', 'cli', 'portcullis.js'), join(place.dir, 'bin', 'portcullis'))
  env = {
    ...place.env,
    PATH: `${join(place.dir, 'bin')}:${process.env.PATH}`,
    PORTCULLIS_CONFIG: file,
    PORT: '0',
    RERANK_AUTH_VALUE_FILE: secret,
    RERANK_URL: backend.url,
  }
  gateway = startPortcullis(['serve'], { env })
  port = Number((await gateway.said(/listening on http:\/\/127\.0\.0\.1:(\d+)/))[1])
})
afterEach(async () => {
  await gateway.kill()
  await backend.close()
  place.remove()
})

const records = (what: string) => readRecords(place.env.AUDIT_LOG_FILE ?? '').filter((line) => line.what === what)
const paste = (line: string, KEY = '') =>
  shell(line.replaceAll('http://127.0.0.1:8080', `http://127.0.0.1:${port}`), { cwd: ROOT, env: { ...env, KEY } })
const lines = THEN.split('\n').filter((line) => line !== '')

describe.skipIf(lacking)(named('a service that is added while the gateway runs', lacking), () => {
  it('is added by the lines of docs/adding-a-service.md, without a restart', async () => {
    const [check = '', hangUp = '', generate = '', ask = '', ...more] = lines
    expect(more).toEqual([])
    writeFileSync(file, BLOCK)
    expect(await paste(check)).toMatchObject({ status: 0, out: expect.stringContaining(`/rerank      ${backend.url} (plain, 2 routes)`) })
    const made = await paste(generate)
    expect(made.status).toBe(0)
    const key = made.out.trim()
    expect(await call(port, { path: '/rerank/api/rerank', key, body: '{}' })).toMatchObject({ status: 404 }) // not before it is told
    expect(await paste(hangUp)).toEqual({ status: 0, out: '', err: '' })
    await gateway.said(/configuration reloaded/)
    expect(await paste(ask, key)).toMatchObject({ status: 0, out: '{"results":[]}' })
    expect(backend.asked).toMatchObject([
      { target: '/v1/rerank', body: '{"query":"…","documents":["…"]}', headers: { authorization: 'Bearer of-the-reranker' } },
    ])
    expect(records('start')).toHaveLength(1)
    expect(records('reload')).toHaveLength(1)
  })
})

describe('a reload', () => {
  const hangUp = (): void => gateway.signal('SIGHUP')
  const times = (what: RegExp): number => gateway.err().match(what)?.length ?? 0

  async function addAndMakeKey(): Promise<string> {
    writeFileSync(file, BLOCK)
    hangUp()
    await gateway.said(/configuration reloaded/)
    const { out } = await paste('portcullis key generate -u anna -s use:rerank')
    return out.trim()
  }

  it('with an invalid file keeps the old configuration, and names every fault', async () => {
    const key = await addAndMakeKey()
    const INVALID = ['services:\n  rerank:\n    url: nonsense\n    routs: [POST /x]\n', '  : : not yaml [', 'audit:\n  sync: sometimes\n']
    for (const [index, text] of INVALID.entries()) {
      writeFileSync(file, text)
      hangUp()
      await until(() => times(/the configuration is invalid, so the old one is kept/g) === index + 1, {
        withinMs: 10_000,
        what: 'the refusal',
      })
      expect(await call(port, { path: '/rerank/api/rerank', key, body: '{}' })).toMatchObject({ status: 200 })
      await until(() => records('reload_failed').length === index + 1, { withinMs: 10_000, what: 'the line in the ledger' })
    }
    expect(gateway.err()).toContain('there is no setting services.rerank.routs')
    expect(String(records('reload_failed').at(-1)?.detail)).toContain('audit.sync: want one of sync, write')
  })

  it('takes a service away, and lets what it carries finish', async () => {
    const key = await addAndMakeKey()
    backend.hold()
    let heard = ''
    const answered = new Promise<boolean>((resolve, reject) => {
      const sent = request({ port, path: '/rerank/api/rerank', method: 'POST', headers: { 'x-api-key': key } }, (answer) => {
        answer.on('data', (bytes: Buffer) => {
          heard += bytes
        })
        answer.on('end', () => resolve(answer.complete))
      })
      sent.on('error', reject)
      sent.end('{}')
    })
    await until(() => backend.waiting() === 1, { withinMs: 5_000, what: 'the request at the backend' })
    const held = backend.next()
    held.begin('text/event-stream')
    held.piece('data: 1\n\n')
    await until(() => heard === 'data: 1\n\n', { withinMs: 5_000, what: 'the first event' })
    writeFileSync(file, '# gone\n')
    hangUp()
    await until(() => times(/configuration reloaded/g) === 2, { withinMs: 10_000, what: 'the second reload' })
    expect(await call(port, { path: '/rerank/api/rerank', key, body: '{}' })).toMatchObject({ status: 404 })
    held.piece('data: 2\n\n')
    held.end()
    expect(await answered).toBe(true)
    expect(heard).toBe('data: 1\n\ndata: 2\n\n')
  })

  it('keeps what changes only with a restart, and says so', async () => {
    appendFileSync(file, 'server:\n  host: 0.0.0.0\n')
    hangUp()
    await gateway.said(/server\.host changes only with a restart; the old value is kept/)
    gateway.signal('SIGTERM')
    expect((await gateway.ended).status).toBe(0)
    expect(readFileSync(place.env.AUDIT_LOG_FILE ?? '', 'utf8')).not.toContain('0.0.0.0')
  })
})
