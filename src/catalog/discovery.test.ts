import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CatalogHouse, openCatalogHouse } from '../../test/support/catalog-house.ts'
import { manualClock } from '../../test/support/clock.ts'
import { freePort } from '../../test/support/free-port.ts'
import { type Listening, listen } from '../../test/support/server.ts'
import { until } from '../../test/support/until.ts'
import { listingOf } from '../dialects/index.ts'
import { LIMITS } from '../kernel/index.ts'
import { createDiscovery, type Discovery } from './index.ts'

type Answer = (req: IncomingMessage, res: ServerResponse) => void

/** A backend whose answer a test chooses, and which writes down what it was asked. */
interface Backend extends Listening {
  answer: Answer
  readonly asked: IncomingMessage[]
}

const json =
  (value: unknown, status = 200): Answer =>
  (_req, res) =>
    void res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
const tags = (...names: readonly string[]): Answer => json({ models: names.map((name) => ({ name })) })

async function backend(answer: Answer): Promise<Backend> {
  const asked: IncomingMessage[] = []
  const server = createServer((req, res) => {
    asked.push(req)
    made.answer(req, res)
  })
  const made: Backend = { ...(await listen(server)), answer, asked }
  return made
}

const clock = manualClock()
let ollama: Backend
let house: CatalogHouse
let discovery: Discovery
let nowhere: string
beforeEach(async () => {
  ollama = await backend(tags('llama3.2:latest'))
  nowhere = `http://127.0.0.1:${await freePort()}`
  house = await openCatalogHouse({ clock, env: env() })
  discovery = createDiscovery({ catalog: house.catalog, listingOf, clock, log: logOf(house) })
})
afterEach(async () => {
  discovery.stop()
  await ollama.close()
  await house.close()
})

const env = (more = {}) => ({ OLLAMA_URL: ollama.url, TTS_URL: nowhere, IMAGE_URL: nowhere, WHISPER_URL: nowhere, ...more })
const lines: string[] = []
const logOf = (_house: CatalogHouse) => {
  lines.length = 0
  const write = (fields: object, message: string) => void lines.push(JSON.stringify({ ...fields, message }))
  return { info: write, warn: write, error: write }
}
const names = () => house.catalog.list().map(({ name }) => name)
const appear = (...wanted: readonly string[]) =>
  until(() => names().join() === wanted.join(), { withinMs: 5_000, what: `the models ${wanted.join()}` })
const askAfter = async (ms: number): Promise<void> => {
  clock.advance(ms)
  await discovery.ask()
}

describe('discovery', () => {
  it('at its start finds the models of the backends that are there, and only those', async () => {
    discovery.start()
    await appear('llama3.2:latest')
    expect(house.catalog.find('llama3.2')).toMatchObject({
      id: null,
      places: [{ upstream: 'llama3.2:latest', endpoint: { name: 'builtin:chat' } }],
    })
    expect(ollama.asked.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /api/tags'])
  })

  it('asks each in its own language', async () => {
    const others = await backend((req, res) => {
      const answers: Readonly<Record<string, unknown>> = {
        '/sdapi/v1/sd-models': [{ title: 'dream.safetensors [1]', model_name: 'dream' }],
        '/health': { status: 'ok' },
        '/docs': 'a page',
        '/v1/models': { data: [{ id: 'gpt' }] },
      }
      json(answers[req.url ?? ''] ?? null, answers[req.url ?? ''] === undefined ? 404 : 200)(req, res)
    })
    house.configure(env({ TTS_URL: others.url, IMAGE_URL: others.url, WHISPER_URL: others.url }))
    await house.endpoint({ name: 'cloud', url: `${others.url}/v1`, key: 'sk-1', discover: true })
    await house.endpoint({ name: 'silent', url: `${others.url}/v1` })
    discovery.start()
    await appear('dream', 'gpt', 'llama3.2:latest', 'stable-diffusion', 'tts-1', 'whisper-1')
    expect(others.asked.find(({ url }) => url === '/v1/models')?.headers.authorization).toBe('Bearer sk-1')
    expect(others.asked.filter(({ url }) => url !== '/v1/models').every(({ headers }) => headers.authorization === undefined)).toBe(true)
    await others.close()
  })

  it('asks an endpoint as soon as it is added or changed, and no other again', async () => {
    discovery.start()
    await appear('llama3.2:latest')
    const other = await backend(json({ data: [{ id: 'gpt' }] }))
    await house.endpoint({ name: 'gpu', url: other.url, discover: true })
    await appear('gpt', 'llama3.2:latest')
    await house.catalog.manage.endpoints.edit('gpu', { active: false })
    await appear('llama3.2:latest')
    other.answer = json({ data: [{ id: 'gpt-2' }] })
    await house.catalog.manage.endpoints.edit('gpu', { active: true })
    await appear('gpt-2', 'llama3.2:latest')
    expect(ollama.asked).toHaveLength(1)
    await other.close()
  })

  it('looks at the services of the gate again after a reload', async () => {
    discovery.start()
    await appear('llama3.2:latest')
    const other = await backend(tags('qwen:7b'))
    house.configure(env({ OLLAMA_URL: other.url }))
    await appear('qwen:7b')
    house.configure(env({ CHAT_ENABLED: 'false' }))
    await appear()
    await other.close()
  })

  it('keeps the list of a backend that fails for ten minutes, and has it again when it is up', async () => {
    discovery.start()
    await appear('llama3.2:latest')
    ollama.answer = json({ error: 'starting' }, 503)
    await askAfter(LIMITS.discoveredKeepMs - 1)
    expect(names()).toEqual(['llama3.2:latest'])
    await askAfter(1)
    expect(names()).toEqual([])
    ollama.answer = tags('llama3.2:latest')
    await askAfter(0)
    expect(names()).toEqual(['llama3.2:latest'])
    expect(lines.filter((line) => line.includes('does not list its models') && line.includes('builtin:chat'))).toHaveLength(1)
  })

  it('takes models away and adds them as the backend does', async () => {
    discovery.start()
    await appear('llama3.2:latest')
    ollama.answer = tags('a', 'b')
    await askAfter(LIMITS.discoverEveryMs)
    expect(names()).toEqual(['a', 'b'])
    ollama.answer = json({ models: null })
    await askAfter(LIMITS.discoverEveryMs)
    expect(names()).toEqual([])
  })

  it('leaves out names that no model can have, with one line, and does not read the same answer twice', async () => {
    ollama.answer = tags('good', 'bad name', '../etc', '\u001b[2J', 'x'.repeat(200), 'good')
    discovery.start()
    await appear('good')
    await askAfter(LIMITS.discoverEveryMs)
    const told = lines.filter((line) => line.includes('are left out'))
    expect(told).toHaveLength(1)
    expect(told[0]).toContain('"skipped":4')
    expect(told[0]).toContain('\\\\u001b[2J') // made visible
  })

  it.each<[string, Answer]>([
    ['never answers', () => {}],
    ['stops in the midst of it', (_req, res) => void res.write('{"models":[')],
    ['answers without end', (_req, res) => endless(res)],
    ['answers with more than 4 MiB', (_req, res) => void res.end(JSON.stringify({ models: [{ name: 'x'.repeat(4 * 1024 * 1024) }] }))],
    ['answers with millions of lists', (_req, res) => void res.end(`{"models":[${'[],'.repeat(1_000_000)}[]]}`)],
    ['breaks off', (req) => void req.socket.destroy()],
    ['sends us elsewhere', (_req, res) => void res.writeHead(302, { location: `${ollama.url}/elsewhere` }).end()],
    ['answers with a page', (_req, res) => void res.end('<html>')],
  ])('is not held up by a backend that %s', async (_what, answer) => {
    discovery.start()
    await appear('llama3.2:latest')
    const other = await backend(answer)
    await house.endpoint({ name: 'odd', dialect: 'ollama', url: other.url, discover: true })
    await until(() => lines.some((line) => line.includes('"odd"')), {
      withinMs: 3_000 + LIMITS.discoverMsMax,
      what: 'the failure to be told',
    })
    expect(names()).toEqual(['llama3.2:latest'])
    expect(other.asked.map(({ url }) => url)).toEqual(['/api/tags'])
    await other.close()
  })

  it('takes ten thousand models of an endpoint, and no more', async () => {
    ollama.answer = tags(...Array.from({ length: LIMITS.discoveredModelsMax + 5 }, (_zero, at) => `m${at}`))
    discovery.start()
    await until(() => names().length === LIMITS.discoveredModelsMax, { withinMs: 5_000, what: 'ten thousand models' })
    expect(lines.join()).toContain('"skipped":5')
  })

  it('forgets what it found when it is stopped, and finds it again', async () => {
    discovery.start()
    await appear('llama3.2:latest')
    discovery.stop()
    expect(names()).toEqual([])
    await discovery.ask()
    expect(names()).toEqual([])
    discovery.start()
    await appear('llama3.2:latest')
  })

  it('that is stopped while a backend thinks takes no notice of the answer', async () => {
    let later: ServerResponse | undefined
    ollama.answer = (_req, res) => {
      later = res
    }
    discovery.start()
    await until(() => later, { withinMs: 5_000, what: 'the question' })
    discovery.stop()
    if (later) tags('late')(new Object() as IncomingMessage, later) // its request is not looked at
    await house.endpoint({ name: 'other' })
    expect(names()).toEqual([])
  })

  it('writes no provider’s key into the log', async () => {
    await house.endpoint({ name: 'cloud', url: nowhere, key: 'sk-canary-1', discover: true })
    discovery.start()
    await until(() => lines.some((line) => line.includes('"cloud"')), { withinMs: 5_000, what: 'the failure to be told' })
    expect(lines.join()).not.toContain('sk-canary')
  })
})

function endless(res: ServerResponse): void {
  const more = (): void => {
    while (!res.destroyed && res.write(' '.repeat(65_536)));
  }
  res.on('drain', more)
  more()
}
