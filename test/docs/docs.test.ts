import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { BUILTIN } from '../../src/catalog/index.ts'
import { readDocument } from '../../src/config/document.ts'
import { SETTINGS, serviceSettings } from '../../src/config/settings.ts'
import { loadConfig } from '../../src/config.ts'
import { errorAnswer } from '../../src/http/index.ts'
import { ERRORS, type ErrorCode, GatewayError, LIMITS } from '../../src/kernel/index.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')
/** Every page below docs/, by its name from the package's root. */
const docs = (readdirSync(join(ROOT, 'docs'), { recursive: true }) as string[]) // no Buffers, since no encoding was asked for
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`)
const isIn = (folder: string, page: string): boolean => dirname(page) === folder

/** `| key | VARIABLE | default |` rows of docs/configuration.md. */
function documentedSettings(): Map<string, { env: string; fallback: string }> {
  const rows = [...read('docs/configuration.md').matchAll(/^\| `([^`]+)` \| `([A-Z_]+)` \| ([^|]+) \|/gm)]
  return new Map(rows.map(([, key = '', env = '', fallback = '']) => [key, { env, fallback: fallback.trim() }]))
}

const knownSettings = () => [...SETTINGS, ...Object.keys(BUILTIN).flatMap(serviceSettings), ...serviceSettings('NAME')]

type Units = readonly (readonly [unit: string, size: number])[]
const DURATIONS: Units = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
]
const SIZES: Units = [
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['B', 1],
]

/** In the largest unit that leaves no fraction: 15s, 1h, 64KiB. */
function inUnits(value: number, units: Units): string {
  const [unit, size] = units.find(([, size]) => value % size === 0) ?? ['', 1]
  return `${value / size}${unit}`
}

type KnownSetting = ReturnType<typeof knownSettings>[number]

/** A number that is a time or a size is one whose setting reads such words. */
function inWords({ read: parse, fallback }: KnownSetting): string {
  const takes = (words: string): boolean => 'value' in parse(words)
  if (typeof fallback !== 'number') return String(fallback)
  if (takes('1s')) return fallback === 0 ? 'off' : inUnits(fallback, DURATIONS)
  return takes('1KiB') ? inUnits(fallback, SIZES) : String(fallback)
}

/** A default as the page writes it. */
function written(setting: KnownSetting): string {
  const { key, fallback, required = false } = setting
  if (key === 'data_dir') return 'the XDG data directory, `portcullis/`'
  if (required || key === 'services.NAME.routes') return 'must be given'
  if (fallback === null || (Array.isArray(fallback) && fallback.length === 0)) return 'none'
  return `\`${inWords(setting)}\``
}

describe('docs', () => {
  it('has one heading for each error code, and none for a code that is gone', () => {
    const headings = [...read('docs/errors.md').matchAll(/^### ([A-Z_]+)\n(\d{3})\./gm)]
    expect(headings.map(([, code]) => code).sort()).toEqual(Object.keys(ERRORS).sort())
    for (const [, code = '', status] of headings)
      expect({ code, status: Number(status) }).toEqual({ code, status: ERRORS[code as keyof typeof ERRORS].status })
  })

  it('says what /v1 calls each of them', () => {
    const section = read('docs/errors.md').split('## What `/v1` calls them\n')[1]?.split(/^## /m)[0] ?? ''
    const named = new Map(
      [...section.matchAll(/^\| (`[A-Z_`, ]+`) \| `([a-z_]+)` \|$/gm)].flatMap(([, ours = '', theirs = '']) =>
        [...ours.matchAll(/[A-Z_]+/g)].map(([code]) => [code, theirs] as const),
      ),
    )
    const types = new Map(
      [...section.matchAll(/^\| (?:others from )?(\d{3}) \| `(\w+)` \| `(\w+)` \|$/gm)].map(([, status, ...both]) => [
        Number(status),
        both,
      ]),
    )
    expect([named.size, types.size]).toEqual([8, 9])
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      // the registry's own keys
      const error = new GatewayError(code)
      const told = (shape: 'openai' | 'anthropic') =>
        (JSON.parse(errorAnswer(error, shape, 'req_1').body) as { error: { code?: string; type: string } }).error // our own shapes
      expect([code, told('openai').code]).toEqual([code, named.get(code) ?? code.toLowerCase()])
      expect([code, told('openai').type, told('anthropic').type]).toEqual([
        code,
        ...(types.get(error.status) ?? types.get(error.status < 500 ? 400 : 500) ?? []),
      ])
    }
  })

  it('says by which bounds a request finds its endpoint', () => {
    const section = read('docs/models.md').split('## How a request finds its endpoint\n')[1]?.split(/^## /m)[0] ?? ''
    const minutes = (ms: number) => ms / 60_000
    const { breakerFailures, breakerOpenMs, breakerOpenMsMax, probeEveryMs, queueWaitMsMax, queueLengthMax, connectMsMax } = LIMITS
    for (const words of [
      `asked every ${probeEveryMs / 1_000} s`,
      `opens after ${breakerFailures} requests in a row`,
      `for ${breakerOpenMs / 1_000} s, then one request`,
      `${minutes(breakerOpenMsMax)} minutes at most`,
      `for at most ${minutes(queueWaitMsMax)} minutes and among at most ${queueLengthMax}`,
      `${connectMsMax / 1_000} s for the connection`,
      `for the first byte ${minutes(LIMITS.chatFirstByteMsMax)} minutes with \`openai\`, \`ollama\` and \`anthropic\``,
      `${minutes(LIMITS.imageFirstByteMsMax)} with \`a1111\`, \`asr\` and \`whispercpp\`, ${minutes(LIMITS.speechFirstByteMsMax)} with \`speak\``,
      `${minutes(LIMITS.idleMsMax)} minutes between two bytes`,
    ])
      expect(section).toContain(words)
    expect([LIMITS.whisperFirstByteMsMax, LIMITS.totalMsMax]).toEqual([LIMITS.imageFirstByteMsMax, 3_600_000])
  })

  it('documents every setting with its variable and its default, and none that is gone', () => {
    const documented = documentedSettings()
    expect([...documented.keys()].sort()).toEqual(
      knownSettings()
        .map(({ key }) => key)
        .sort(),
    )
    for (const setting of knownSettings()) {
      const { key, env, read: parse, fallback } = setting
      expect({ key, ...documented.get(key) }).toEqual({ key, env, fallback: written(setting) })
      // What the page says must also mean the default to whoever writes it down.
      const words = /^`(.*)`$/.exec(documented.get(key)?.fallback ?? '')?.[1]
      if (words !== undefined && !words.includes('NAME')) expect({ key, ...parse(words) }).toEqual({ key, value: fallback })
    }
  })

  it('has an example file that is valid and says the defaults', () => {
    const file = join(ROOT, 'portcullis.example.yaml')
    const example = loadConfig({ PORTCULLIS_CONFIG: file, DATA_DIR: '/data' })
    const defaults = loadConfig({ PORTCULLIS_CONFIG: '/dev/null', DATA_DIR: '/data' })
    expect({ ...example, file: null }).toEqual({ ...defaults, file: null })
    expect(Object.keys(parse(read('portcullis.example.yaml')).services)).toEqual(Object.keys(BUILTIN))
  })

  it('has an example file with every key, the few that have no default behind a #', () => {
    const known = [...SETTINGS, ...Object.keys(BUILTIN).flatMap(serviceSettings)]
    const keys = readDocument('example', read('portcullis.example.yaml')).keys()
    const silent = [
      'data_dir',
      'api_keys_file',
      ...Object.keys(BUILTIN).flatMap((name) => [`services.${name}.auth.header`, `services.${name}.auth.value_file`]),
    ]
    expect([...keys, ...silent].sort()).toEqual(known.map(({ key }) => key).sort())
    const shown = readDocument('shown', read('portcullis.example.yaml').replaceAll(/^( *)# (?=data_dir|api_keys_file|auth)/gm, '$1')).keys()
    expect([...shown].sort()).toEqual([...keys, ...silent].sort())
  })

  it('leads to every page from the README', () => {
    const linkedFrom = (page: string): string[] =>
      [...read(page).matchAll(/\]\(([^)#]+\.md)(?:#[^)]*)?\)/g)].map(([, target = '']) => join(page, '..', target))
    const linked = linkedFrom('README.md')
    expect(docs.filter((page) => isIn('docs', page) && !linked.includes(page))).toEqual([])
    expect(linked).toContain('docs/clients/README.md')
    const clients = ['docs/clients/README.md', ...linkedFrom('docs/clients/README.md')]
    expect(docs.filter((page) => isIn('docs/clients', page) && !clients.includes(page))).toEqual([])
  })

  it('names only scripts of npm that there are', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> } // npm's own shape
    const named = ['README.md', 'CONTRIBUTING.md', ...docs].flatMap((page) =>
      [...read(page).matchAll(/\bnpm (?:run ([a-z:-]+)|(start|test)\b)/g)].map(([, script, short]) => script ?? short ?? ''),
    )
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([])
  })

  it('links only to headings that are there', () => {
    const anchorsOf = (page: string): string[] =>
      [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
        title
          .toLowerCase()
          .replace(/[^a-z0-9 _-]/g, '')
          .replaceAll(' ', '-'),
      )
    const broken = ['README.md', 'ARCHITECTURE.md', ...docs].flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)]
        .map(([, file = '', anchor = '']) => ({ page, target: file === '' ? page : join(page, '..', file), anchor }))
        .filter(({ target, anchor }) => !existsSync(join(ROOT, target)) || !anchorsOf(target).includes(anchor)),
    )
    expect(broken).toEqual([])
  })

  it('links only to files that are there', () => {
    const broken = ['README.md', 'ARCHITECTURE.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...docs].flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)/g)]
        .map(([, target = '']) => ({ page, target }))
        .filter(({ target }) => !existsSync(join(ROOT, page, '..', target))),
    )
    expect(broken).toEqual([])
  })
})
