import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' })
const files = tracked.split('\n').filter((file) => file !== '' && existsSync(join(ROOT, file)))
const sources = files.filter((file) => file.startsWith('src/') && file.endsWith('.ts') && !file.endsWith('.test.ts'))
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

/** Who may import whom: each room may import those before it, and the ones of its own line. ARCHITECTURE.md draws the same table. */
const RANKS: Readonly<Record<string, number>> = {
  kernel: 0,
  contract: 1,
  files: 0,
  storage: 1,
  http: 1,
  audit: 2,
  secrets: 3,
  limits: 3,
  usage: 3,
  identity: 4,
  catalog: 5,
  dialects: 6,
  gate: 7,
  openai: 8,
  admin: 9,
  ops: 9,
}
/** The files that put the house together, and the rooms that may use any other's door. */
const ANYWHERE = new Set(['app', 'main', 'house', 'config', 'cli', 'demo', 'admin'])
const REPORT_MAY = new Set(['kernel', 'contract', 'audit', 'report'])

const roomOf = (file: string): string => {
  const [, first = '', second] = file.split('/')
  return second === undefined ? first.replace(/\.ts$/, '') : first
}

const IMPORT = /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?from\s+['"](?<path>[^'"]+)['"]|import\(\s*['"](?<lazy>[^'"]+)['"]\s*\)/g

function importsOf(file: string): string[] {
  return [...textOf(file).matchAll(IMPORT)].map(({ groups }) => groups?.path ?? groups?.lazy ?? '')
}

function edgeFault(file: string, path: string): string | null {
  if (!path.startsWith('.')) return null
  const target = normalize(join(dirname(file), path))
  const from = roomOf(file)
  const to = roomOf(target)
  if (from === to) return null
  const inRoom = target.split('/').length > 2
  if (inRoom && !target.endsWith(`${to}/index.ts`)) return `${file} enters ${to} by ${path}, not by its index.ts`
  if (from === 'report') return REPORT_MAY.has(to) ? null : `${file}: report may not import ${to}`
  if (ANYWHERE.has(from)) return null
  const [fromRank, toRank] = [RANKS[from], RANKS[to]]
  if (fromRank === undefined || toRank === undefined)
    return `${file}: ${fromRank === undefined ? from : to} has no rank in the table of rooms`
  return toRank < fromRank || (toRank === fromRank && from === 'gate') ? null : `${file} imports up: ${from} may not import ${to}`
}

/** Which packages belong to which rooms. */
const PACKAGES: Readonly<Record<string, (file: string) => boolean>> = {
  hono: (file) => /\/(?:routes|app|house|server|guard)\.ts$/.test(file) || file.startsWith('src/http/') || file.startsWith('src/gate/'),
  undici: (file) => file.startsWith('src/gate/carry/') || /^src\/catalog\/(?:health|discovery|voices)\.ts$/.test(file),
  argon2: (file) => file.startsWith('src/secrets/'),
  kysely: (file) => file.startsWith('src/storage/') || file.endsWith('/store.ts'),
  'better-sqlite3': (file) => file.startsWith('src/storage/'),
}

/** What is banned, what to use instead, and where it may stand. */
const BANNED: readonly { what: RegExp; instead: string; except: RegExp }[] = [
  { what: /\bconsole\./, instead: 'the log given to you, or cli/terminal.ts', except: /^$/ },
  { what: /\bprocess\.env\b/, instead: 'config.ts', except: /^src\/config\.ts$/ },
  { what: /\bDate\.now\(\)/, instead: 'clock.nowMs()', except: /^src\/kernel\/clock\.ts$/ },
  { what: /:\s*any\b|\bas any\b|<any>/, instead: 'unknown, and parse it', except: /^$/ },
  { what: /\b(?:TODO|FIXME|XXX|HACK)\b/, instead: 'doing it, or an issue', except: /^$/ },
  { what: /\bcreate(?:Dec|C)ipheriv\b/, instead: 'the sealer of secrets/', except: /^src\/secrets\// },
  { what: /@ts-(?:ignore|nocheck|expect-error)|biome-ignore/, instead: 'a type that fits', except: /^$/ },
  { what: /\bfetch\(\s*[`'"u]/, instead: 'the carrier; only the status command asks as a client', except: /^src\/cli\/status\.ts$/ },
]

/** Comments may name what code may not use. */
const codeOf = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|[^:'"`])\/\/.*$/gm, '$1')

const LINES_MAX = 300
const FUNCTION_LINES_MAX = 70
const DOOR_LINES_MAX = 50

describe('tidy', () => {
  it('lets nobody import up, and enters rooms by their door', () => {
    const faults = sources.flatMap((file) => importsOf(file).flatMap((path) => edgeFault(file, path) ?? []))
    expect(faults).toEqual([])
    expect(sources.length).toBeGreaterThan(50)
  })

  it('has no import cycle between files, types included', () => {
    expect(cycles()).toEqual([])
  })

  it('keeps packages in the rooms they belong to', () => {
    const faults = sources.flatMap((file) =>
      importsOf(file).flatMap((path) => {
        const name = Object.keys(PACKAGES).find((known) => path === known || path.startsWith(`${known}/`))
        return name !== undefined && !PACKAGES[name]?.(file) ? [`${file} imports ${path}`] : []
      }),
    )
    expect(faults).toEqual([])
  })

  it('uses nothing that is banned', () => {
    const faults = sources.flatMap((file) =>
      codeOf(textOf(file))
        .split('\n')
        .flatMap((line) =>
          BANNED.filter(({ what, except }) => what.test(line) && !except.test(file)).map(
            ({ instead }) => `${file}: "${line.trim()}"; use ${instead}`,
          ),
        ),
    )
    expect(faults).toEqual([])
  })

  it('keeps files, doors and functions short', () => {
    const faults = sources.flatMap((file) => {
      const lines = textOf(file).split('\n')
      const max = /^src\/[a-z]+\/index\.ts$/.test(file) ? DOOR_LINES_MAX : LINES_MAX
      return [...(lines.length > max ? [`${file} has ${lines.length} lines`] : []), ...longFunctions(file, lines)]
    })
    expect(faults).toEqual([])
  })

  it('says nothing of registries, of a machine, or of the tools it was written with', () => {
    const odd = /registry\.npmjs|deb\.debian\.org|\/work\/(?:main|shared)|\/root\/|claude|anthropic\.com|copilot|chatgpt/i
    const own = new Set(['test/tidy.test.ts', 'package-lock.json', 'bench/package-lock.json'])
    const faults = files
      .filter((file) => !own.has(file) && /\.(?:ts|mjs|md|json|yaml|yml|sh|caddy)$|^\.ci|Caddyfile|Dockerfile/.test(file))
      .filter((file) => odd.test(textOf(file)))
    expect(faults).toEqual([])
  })
})

function longFunctions(file: string, lines: readonly string[]): string[] {
  // The formatter puts a function's closing brace at the indentation of its first line, so its length can be read off.
  return lines.flatMap((line, start) => {
    if (!/(?:\bfunction\b.*|=>|^\s+(?:async |override |static |#)*[a-zA-Z#]\w*\(.*\).*)\s*\{$/.test(line)) return []
    if (/^\s*(?:if|for|while|switch|describe|it)\b/.test(line)) return []
    const indent = /^\s*/.exec(line)?.[0] ?? ''
    const end = lines.findIndex((other, at) => at > start && other.startsWith(`${indent}}`))
    // A closure that only holds other functions is judged by each of them.
    const own = lines.slice(start, end + 1).filter((inner) => inner.trim() !== '').length - nested(lines.slice(start + 1, end), indent)
    return own > FUNCTION_LINES_MAX ? [`${file}:${start + 1} a function of ${own} lines`] : []
  })
}

function nested(body: readonly string[], indent: string): number {
  let count = 0
  let inside = false
  for (const line of body) {
    if (!inside && line.startsWith(`${indent}  `) && !line.startsWith(`${indent}   `) && /(?:=>|\)[^)]*)\s*\{$/.test(line)) inside = true
    if (inside) count += 1
    if (inside && line.startsWith(`${indent}  }`)) inside = false
  }
  return count
}

function cycles(): string[] {
  const known = new Set(sources)
  const edges = new Map(
    sources.map((file) => [
      file,
      importsOf(file)
        .flatMap((path) => (path.startsWith('.') ? [normalize(join(dirname(file), path))] : []))
        .filter((to) => known.has(to)),
    ]),
  )
  const found: string[] = []
  const state = new Map<string, 'open' | 'done'>()
  const visit = (file: string, trail: readonly string[]): void => {
    if (state.get(file) === 'done') return
    if (state.get(file) === 'open') {
      found.push([...trail.slice(trail.indexOf(file)), file].join(' -> '))
      return
    }
    state.set(file, 'open')
    for (const next of edges.get(file) ?? []) visit(next, [...trail, file])
    state.set(file, 'done')
  }
  for (const file of sources) visit(file, [])
  return found
}
