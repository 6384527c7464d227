import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { ChatOpenAI } from '@langchain/openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PROTOCOLS } from '../../src/catalog/index.ts'
import { type StandIns, startStandIns } from '../../src/demo/index.ts'
import { v1Path } from '../../src/dialects/index.ts'
import { call } from '../support/caller.ts'
import { ROOT } from '../support/command-lines.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { lackingPrograms, type Program, type Ran, type Scratch, scratch, start } from '../support/program.ts'
import { type Listening, listen } from '../support/server.ts'
import { named } from '../support/tools.ts'
import { until } from '../support/until.ts'

const FOLDER = join(ROOT, 'docs', 'clients')
const textOf = (page: string): string => readFileSync(join(FOLDER, page), 'utf8')
const FIRST = textOf('README.md')
const PAGES = readdirSync(FOLDER).filter((name) => name.endsWith('.md') && name !== 'README.md')
const lacking = lackingPrograms('bash', 'curl', 'jq', 'base64')

/** Languages that run here, and those of which a page has to say that they do not. */
const RUN: ReadonlySet<string> = new Set(['js', 'sh'])
const NOT_RUN: ReadonlySet<string> = new Set(['python', 'ini'])

interface Block {
  readonly heading: string
  readonly language: string
  readonly text: string
}

/** A page's fenced blocks, each with the heading that it stands under. */
function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = []
  let heading = ''
  for (const [, title, language = '', text = ''] of page.matchAll(/^#+ (.*)$|^```([a-z]*)\n([\s\S]*?)^```$/gm)) {
    if (title === undefined) blocks.push({ heading, language, text })
    else heading = title
  }
  return blocks
}

interface Snippet extends Block {
  /** What the page says that it prints: the `text` block after it, or nothing. */
  readonly prints: string
}

const snippetsOf = (page: string): readonly Snippet[] =>
  blocksOf(page).flatMap((block, index, all) => {
    const next = all[index + 1]
    return RUN.has(block.language) ? [{ ...block, prints: next?.language === 'text' ? next.text : '' }] : []
  })

/** What a page says that is printed: `…` stands for anything within a line, and alone on a line for any number of lines. */
function printed(prints: string): RegExp {
  const lines = prints.split('\n').slice(0, -1)
  const literal = (line: string): string => line.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&').replaceAll('…', '.*?')
  return new RegExp(`^${lines.map((line) => (line === '…' ? '(?:.*\\n)*?' : `${literal(line)}\\n`)).join('')}$`)
}

const withEnd = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`)

const MARK = '\u0001'
const RUNNER = `for (const file of process.argv.slice(2)) {
  for (const stream of [process.stdout, process.stderr]) stream.write('${MARK}')
  await import(file).catch((fault) => process.stderr.write(String(fault?.stack ?? fault)))
}
`
const PAGE_MS_MAX = 60_000 // of a machine that has much else to do; together they take a few seconds

/** A page's snippets as its reader has them: each in a file of its own after the first one, all in one process, so that an SDK is loaded once. */
async function runModules(snippets: readonly Snippet[], cwd: string, env: Readonly<Record<string, string>>): Promise<readonly Ran[]> {
  const [head] = snippets
  const files = snippets.map((snippet, index) => {
    writeFileSync(join(cwd, `${index}.mjs`), snippet === head ? snippet.text : `${head?.text}\n${snippet.text}`)
    return `./${index}.mjs`
  })
  writeFileSync(join(cwd, 'run.mjs'), RUNNER)
  symlinkSync(join(ROOT, 'node_modules'), join(cwd, 'node_modules'))
  const { status, out, err } = await ended(start(process.execPath, ['run.mjs', ...files], { cwd, env }))
  const [outs, errs] = [out, err].map((text) => text.split(MARK).slice(1))
  return snippets.map((_snippet, index) => ({ status, out: outs?.[index] ?? '', err: errs?.[index] ?? 'it never began' }))
}

async function ended(program: Program): Promise<Ran> {
  const timer = setTimeout(() => void program.kill(), PAGE_MS_MAX)
  const ran = await program.ended
  clearTimeout(timer)
  return ran
}

/** In their order: files that one leaves are there for the next. */
async function runLines(snippets: readonly Snippet[], cwd: string, env: Readonly<Record<string, string>>): Promise<readonly Ran[]> {
  const all: Ran[] = []
  for (const { text } of snippets) all.push(await ended(start('bash', ['--norc', '-euo', 'pipefail', '-c', text], { cwd, env })))
  return all
}

async function runPage(page: string, place: Scratch, env: Readonly<Record<string, string>>): Promise<readonly (Snippet & Ran)[]> {
  // As patient as a reader, who does not mind how far a transfer is.
  writeFileSync(join(place.dir, '.curlrc'), 'silent\nshow-error\n')
  const snippets = snippetsOf(page)
  const of = (language: string): readonly Snippet[] => snippets.filter((snippet) => snippet.language === language)
  const runs = { js: runModules, sh: runLines }
  const ran = new Map<Snippet, Ran>()
  for (const [language, run] of Object.entries(runs)) {
    if (of(language).length === 0) continue
    const results = await run(of(language), place.dir, { ...place.env, ...env })
    for (const [index, snippet] of of(language).entries())
      ran.set(snippet, results[index] ?? { status: null, out: '', err: 'it never ran' })
  }
  return snippets.map((snippet) => ({ ...snippet, ...(ran.get(snippet) ?? { status: null, out: '', err: 'it never ran' }) }))
}

const TROUBLE = ['slow', 'breaks', 'stuck'] as const
const SLOW_MS = 800

interface TroubledOllama extends Listening {
  /** How often its models that are trouble were asked. */
  asked(model: (typeof TROUBLE)[number]): number
}

/** The stand-in for Ollama, and three models that it cannot be: one that is slow to begin, one whose server dies half way, one that never answers. */
async function troubledOllama(standIn: string): Promise<TroubledOllama> {
  const asked: string[] = []
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const given = (await buffer(req)).toString()
    const [, trouble] = new RegExp(`"model":\\s*"(${TROUBLE.join('|')})(?::latest)?"`).exec(given) ?? []
    if (trouble !== undefined) asked.push(trouble)
    if (trouble === 'stuck') return
    if (trouble === 'slow') await delay(SLOW_MS)
    const body = trouble === undefined ? given : given.replace(/"model":\s*"[^"]*"/, '"model":"stand-in:latest"')
    const { method = 'GET', url = '/' } = req
    const from = await fetch(standIn + url, { method, ...(method !== 'GET' && method !== 'HEAD' && { body }) })
    const type = from.headers.get('content-type') ?? 'text/plain'
    if (url === '/api/tags') return void res.writeHead(200, { 'content-type': type }).end(withTrouble(await from.text()))
    if (trouble === 'breaks' && type.startsWith('application/json')) return void res.destroy()
    res.writeHead(from.status, { 'content-type': type })
    if (trouble !== 'breaks') return void Readable.fromWeb(from.body ?? new ReadableStream()).pipe(res)
    const bytes = Buffer.from(await from.arrayBuffer())
    res.write(bytes.subarray(0, bytes.lastIndexOf('\n', bytes.length / 2) + 1), () => res.destroy())
  }
  const server = createServer((req, res) => void answer(req, res).catch(() => res.destroy()))
  return { ...(await listen(server)), asked: (model) => asked.filter((one) => one === model).length }
}

function withTrouble(tags: string): string {
  const { models } = JSON.parse(tags) as { models: readonly { readonly name: string }[] } // the stand-in's own
  const like = models.find(({ name }) => name === 'stand-in:latest')
  return JSON.stringify({ models: [...models, ...TROUBLE.map((name) => ({ ...like, name: `${name}:latest`, model: `${name}:latest` }))] })
}

const ENV = ['PORTCULLIS_URL', 'PORTCULLIS_KEY', 'PORTCULLIS_ONCE_KEY'] as const
const MODELS = ['slow:latest', 'breaks:latest', 'stuck:latest', 'stand-in:latest', 'tts-1', 'whisper-1', 'stable-diffusion']

let standIns: StandIns
let ollama: TroubledOllama
let gate: GatewayUnderTest
let key = ''
const places: Scratch[] = []
const results = new Map<string, Promise<readonly (Snippet & Ran)[]>>()

async function runHere(page: string, name: string): Promise<readonly (Snippet & Ran)[]> {
  const place = scratch(`client-${name}`)
  places.push(place)
  const { text: once } = await gate.key({ rate: '1/m' })
  return runPage(page, place, { PORTCULLIS_URL: gate.url, PORTCULLIS_KEY: key, PORTCULLIS_ONCE_KEY: once })
}

beforeAll(async () => {
  standIns = await startStandIns({ tokensPerSecond: Number.POSITIVE_INFINITY, imageStepMs: 0, whisperMs: 0 })
  ollama = await troubledOllama(standIns.ollama.url)
  const [TTS_URL, IMAGE_URL, WHISPER_URL] = [standIns.tts.url, standIns.image.url, standIns.whisper.url]
  const on = { TTS_ENABLED: 'true', IMAGE_ENABLED: 'true', WHISPER_ENABLED: 'true' }
  const times = { AUDIT_SYNC: 'write', HEARTBEAT: '250ms', CHAT_FIRST_BYTE: '2500ms' }
  gate = await startTestGateway({ OLLAMA_URL: ollama.url, TTS_URL, IMAGE_URL, WHISPER_URL, ...on, ...times })
  key = (await gate.key()).text
  const listed = async (): Promise<boolean> => {
    const { body } = await call(gate.port, { path: '/v1/models', key })
    return MODELS.every((model) => body.includes(`"${model}"`))
  }
  await until(listed, { withinMs: 10_000, what: 'the models to appear' })
  if (lacking === '') for (const page of PAGES) results.set(page, runHere(textOf(page), page))
})
afterAll(async () => {
  await Promise.allSettled(results.values())
  for (const place of places) place.remove()
  await gate.stop()
  await Promise.all([ollama.close(), standIns.close()])
})

describe.skipIf(lacking).each(PAGES)(named('docs/clients/%s', lacking), { timeout: PAGE_MS_MAX }, (page) => {
  const snippets = snippetsOf(textOf(page)).map(({ language, heading, prints }, index) => [language, heading, index, prints] as const)
  it.each(snippets)('runs the %s under “%s” and prints what the page says, %i', async (_language, _heading, index, prints) => {
    const { out, err, status } = (await results.get(page))?.[index] ?? { out: '', err: 'it never ran', status: null }
    expect({ err, status }).toEqual({ err: '', status: 0 })
    expect(withEnd(out)).toMatch(printed(prints))
  })

  it('has no block that is neither run nor said not to be', () => {
    const blocks = blocksOf(textOf(page))
    const stray = blocks.filter(({ language }, index) =>
      language === 'text' ? !RUN.has(blocks[index - 1]?.language ?? '') : !RUN.has(language) && !NOT_RUN.has(language),
    )
    expect(stray).toEqual([])
    if (blocks.some(({ language }) => NOT_RUN.has(language))) expect(textOf(page)).toContain('not run by our tests')
    expect(snippetsOf(textOf(page)).length).toBeGreaterThan(4)
  })

  it('says of nothing that it may print whatever it likes', () => {
    const loose = snippetsOf(textOf(page)).filter(({ prints }) => prints.includes('…') && (prints.match(/[^\s…]/g)?.length ?? 0) < 4)
    expect(loose).toEqual([])
  })

  it('asks its reader for no variable that the first page does not name', () => {
    const used = [...textOf(page).matchAll(/PORTCULLIS_[A-Z_]+/g)].map(([name]) => name)
    expect(used.filter((name) => !FIRST.includes(`export ${name}=`))).toEqual([])
  })
})

describe('docs/clients/README.md', () => {
  it('names the variables that the examples are run with', () => {
    expect([...FIRST.matchAll(/^export (PORTCULLIS_[A-Z_]+)=/gm)].map(([, name]) => name)).toEqual([...ENV])
  })

  it('has every route of /v1 that asks a model, and none that is gone', () => {
    const routes = [...FIRST.matchAll(/^\| `POST (\/v1\/[^`]+)` \|/gm)].map(([, path]) => path)
    expect(routes.sort()).toEqual(PROTOCOLS.map(v1Path).sort())
  })
})

describe.skipIf(lacking)(named('what the pages say of repeating', lacking), { timeout: PAGE_MS_MAX }, () => {
  it('holds at the backend: what may have cost a GPU is asked once, but by LangChain', async () => {
    const all = (await Promise.all(results.values())).flat()
    const mentions = (model: string): number => all.flatMap(({ text }) => [...text.matchAll(new RegExp(`\\b${model}\\b`, 'g'))]).length
    expect(mentions('stuck')).toBeGreaterThan(2)
    for (const model of ['stuck', 'breaks'] as const) expect([model, ollama.asked(model)]).toEqual([model, mentions(model)])
    const before = ollama.asked('breaks')
    const chat = new ChatOpenAI({ model: 'breaks', apiKey: key, configuration: { baseURL: `${gate.url}/v1` }, maxRetries: 1 })
    await expect(chat.invoke('Good evening')).rejects.toMatchObject({ status: 502 })
    expect(ollama.asked('breaks') - before).toBe(2)
  })
})

describe('this test', () => {
  it('knows what is printed from what is not', () => {
    expect('1 of 2\n').toMatch(printed('1 of …\n'))
    expect('a\nb\nc\n').toMatch(printed('a\n…\nc\n'))
    expect('a\nc\n').toMatch(printed('a\n…\nc\n'))
    for (const other of ['', 'a\n', 'a\nb\n', 'x\na\nc\n', 'a\nc\nd\n']) expect(other).not.toMatch(printed('a\n…\nc\n'))
    expect('12\n').not.toMatch(printed('1.\n'))
    expect('a\n').not.toMatch(printed(''))
  })

  it.skipIf(lacking)('sees snippets that throw, never run, fail or print something else', async () => {
    const page = [
      'js\nconst a = 1',
      'js\nthrow new Error(String(a))',
      'js\nconsole.log(a)',
      'text\n2',
      'js\nprocess.exit(3)',
      'js\n',
      'sh\nfalse | true',
    ]
    const ran = await runHere(page.map((block) => `\`\`\`${block}\n\`\`\`\n`).join(''), 'own')
    expect(ran.map(({ err }) => err.split('\n')[0])).toEqual(['', 'Error: 1', '', '', 'it never began', ''])
    expect(ran.map(({ status }) => status)).toEqual([3, 3, 3, 3, 3, 1])
    expect(withEnd(ran[2]?.out ?? '')).not.toMatch(printed(ran[2]?.prints ?? ''))
  })
})
