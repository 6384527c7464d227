import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { BUILTIN } from '../../src/catalog/index.ts'
import { SETTINGS, serviceSettings } from '../../src/config/settings.ts'
import { loadConfig } from '../../src/config.ts'
import { ERRORS } from '../../src/kernel/index.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

/** `| key | VARIABLE | default |` rows of docs/configuration.md. */
function documentedSettings(): Map<string, { env: string; fallback: string }> {
  const rows = [...read('docs/configuration.md').matchAll(/^\| `([^`]+)` \| `([A-Z_]+)` \| ([^|]+) \|/gm)]
  return new Map(rows.map(([, key = '', env = '', fallback = '']) => [key, { env, fallback: fallback.trim() }]))
}

const knownSettings = () => [...SETTINGS, ...Object.keys(BUILTIN).flatMap(serviceSettings), ...serviceSettings('NAME')]

/** A default as the page writes it. */
function written(fallback: unknown, key: string): string {
  if (key === 'data_dir') return 'the XDG data directory, `portcullis/`'
  if (key.startsWith('services.NAME.') && (key.endsWith('.url') || key.endsWith('.routes'))) return 'must be given'
  if (fallback === null || (Array.isArray(fallback) && fallback.length === 0)) return 'none'
  if (key.includes('.deadlines.') && typeof fallback === 'number')
    return `\`${fallback % 3_600_000 === 0 ? `${fallback / 3_600_000}h` : `${fallback / 60_000}m`}\``
  if (/\.(?:body|content|content_total)_max$/.test(key) && typeof fallback === 'number') {
    const [power, unit] = fallback >= 1024 ** 3 ? [3, 'GiB'] : fallback >= 1024 ** 2 ? [2, 'MiB'] : [1, 'KiB']
    return `\`${fallback / 1024 ** power}${unit}\``
  }
  return `\`${String(fallback)}\``
}

describe('docs', () => {
  it('has one heading for each error code, and none for a code that is gone', () => {
    const headings = [...read('docs/errors.md').matchAll(/^### ([A-Z_]+)\n(\d{3})\./gm)]
    expect(headings.map(([, code]) => code).sort()).toEqual(Object.keys(ERRORS).sort())
    for (const [, code = '', status] of headings)
      expect({ code, status: Number(status) }).toEqual({ code, status: ERRORS[code as keyof typeof ERRORS].status })
  })

  it('documents every setting with its variable and its default, and none that is gone', () => {
    const documented = documentedSettings()
    expect([...documented.keys()].sort()).toEqual(
      knownSettings()
        .map(({ key }) => key)
        .sort(),
    )
    for (const { key, env, fallback } of knownSettings())
      expect({ key, ...documented.get(key) }).toEqual({ key, env, fallback: written(fallback, key) })
  })

  it('has an example file that is valid and says the defaults', () => {
    const file = join(ROOT, 'portcullis.example.yaml')
    const example = loadConfig({ PORTCULLIS_CONFIG: file, DATA_DIR: '/data' })
    const defaults = loadConfig({ PORTCULLIS_CONFIG: '/dev/null', DATA_DIR: '/data' })
    expect({ ...example, file: null }).toEqual({ ...defaults, file: null })
    expect(Object.keys(parse(read('portcullis.example.yaml')).services)).toEqual(Object.keys(BUILTIN))
  })

  it('leads to every page from the README', () => {
    const linked = [...read('README.md').matchAll(/\]\(([^)#]+\.md)\)/g)].map(([, target]) => target)
    const pages = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'))
    expect(pages.filter((name) => !linked.includes(`docs/${name}`))).toEqual([])
  })

  it('names only scripts of npm that there are', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> } // npm's own shape
    const pages = ['README.md', 'CONTRIBUTING.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)]
    const named = pages
      .filter((page) => page.endsWith('.md'))
      .flatMap((page) =>
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
    const pages = ['README.md', 'ARCHITECTURE.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)]
    const broken = pages
      .filter((page) => page.endsWith('.md'))
      .flatMap((page) =>
        [...read(page).matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)]
          .map(([, file = '', anchor = '']) => ({ page, target: file === '' ? page : join(page, '..', file), anchor }))
          .filter(({ target, anchor }) => !existsSync(join(ROOT, target)) || !anchorsOf(target).includes(anchor)),
      )
    expect(broken).toEqual([])
  })

  it('links only to files that are there', () => {
    const pages = [
      'README.md',
      'ARCHITECTURE.md',
      'SECURITY.md',
      'CONTRIBUTING.md',
      'CHANGELOG.md',
      ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
    ]
    const broken = pages
      .filter((page) => page.endsWith('.md'))
      .flatMap((page) =>
        [...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)/g)]
          .map(([, target = '']) => ({ page, target }))
          .filter(({ target }) => !existsSync(join(ROOT, page, '..', target))),
      )
    expect(broken).toEqual([])
  })
})
