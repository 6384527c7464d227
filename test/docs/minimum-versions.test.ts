import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { compose } from '../support/compose.ts'

/** Below these an advisory or a fault that we rely on being mended is open. They are asserted, because advisories cannot be looked up here. */
const MINIMUM: Readonly<Record<string, string>> = {
  hono: '4.13.5',
  '@hono/node-server': '2.0.10',
  undici: '7.29.0',
  ws: '8.21.0',
}
const CADDY_MINIMUM = '2.11.1'
/** Not among them means: not installed at this stage. */
const REQUIRED = ['hono', '@hono/node-server', 'undici']

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly engines: Readonly<Record<string, string>>
}
interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>
}

const json = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'))
const manifest = json('package.json') as Manifest // npm refuses to run with any other shape
const lock = json('package-lock.json') as Lock // as above

const parts = (version: string) => version.split('.').map(Number)
function atLeast(version: string, minimum: string): boolean {
  const [a, b] = [parts(version), parts(minimum)]
  const index = a.findIndex((part, i) => part !== b[i])
  return index === -1 || (a[index] ?? 0) > (b[index] ?? 0)
}

/** Every copy in the lock file, nested ones too: a transitive copy serves requests as well. */
const copies = Object.entries(lock.packages).flatMap(([path, { version }]) => {
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  return path.includes('node_modules/') && Object.hasOwn(MINIMUM, name) ? [{ path, name, version: version ?? '0' }] : []
})

describe('minimum versions', () => {
  test('versions are compared by number', () => {
    expect([atLeast('2.11.4', '2.11.1'), atLeast('2.9.9', '2.11.1'), atLeast('7.29.0', '7.29.0'), atLeast('10.0.0', '9.9.9')]).toEqual([
      true,
      false,
      true,
      true,
    ])
  })

  test.each(copies)('$path $version', ({ name, version }) => {
    expect(atLeast(version, MINIMUM[name] ?? '')).toBe(true)
  })

  test('the ones we serve with are there', () => {
    const names = new Set(copies.map(({ name }) => name))
    expect(REQUIRED.filter((name) => !names.has(name))).toEqual([])
  })

  test('every dependency is pinned exactly', () => {
    const loose = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
      ([, range]) => !/^\d+\.\d+\.\d+$/.test(range),
    )
    expect(loose).toEqual([])
  })

  test('Caddy in the compose file', () => {
    const version = /^caddy:(\d+\.\d+\.\d+)\b/.exec(compose.services.caddy?.image ?? '')?.[1]
    expect(atLeast(version ?? '0', CADDY_MINIMUM)).toBe(true)
  })

  test('Node', () => {
    expect(manifest.engines.node).toBe('>=20.20.2')
  })
})
