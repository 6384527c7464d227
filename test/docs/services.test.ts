import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { type AdminParts, adminRoutes } from '../../src/admin/index.ts'
import { BUILTIN } from '../../src/catalog/index.ts'
import { loadConfig } from '../../src/config.ts'
import {
  createEndpointInput,
  createKeyInput,
  createModelInput,
  createUserInput,
  creditInput,
  disableKeyInput,
  editEndpointInput,
  editKeyInput,
  editModelInput,
  editUserInput,
  importKeysInput,
  listCreditsInput,
  listEntitiesInput,
  listKeysInput,
  rotateKeyInput,
  SPEECH_FORMATS,
  simpleImageInput,
  speakInput,
  stopUserInput,
  TRANSCRIPT_FORMATS,
  transcribeOptions,
  usageInput,
  usageRequestsInput,
  validateKeyInput,
} from '../../src/contract/index.ts'
import type { Policy } from '../../src/gate/index.ts'
import type { GateEnv } from '../../src/http/index.ts'
import { LIMITS, systemClock } from '../../src/kernel/index.ts'
import { mountOps, type OpsParts } from '../../src/ops/index.ts'
import { pages, ROOT } from '../support/command-lines.ts'

const page = pages().get('docs/services.md') ?? ''
const section = (title: string): string => page.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? ''
const names = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
const { services } = loadConfig({ PORTCULLIS_CONFIG: '/dev/null' })

/** Every line that says METHOD, path and right. */
function documentedRoutes(): string[] {
  const rows = page.matchAll(/^\| `((?:GET|HEAD|POST|PUT|PATCH|DELETE) \/[^`]*)` \| `?([a-z:]+)`? \|/gm)
  return [...rows].map(([, route = '', right = '']) => `${route} ${right}`)
}

const serviceRoutes = (): string[] =>
  services.flatMap(({ routes }) => routes.map(({ method, path, right }) => `${method} ${path.replaceAll(/\{[^/]*\}/g, '')} ${right}`))

/** Open, and mounted beside the rows of a service that speaks Ollama's language. */
const greetings = (): string[] =>
  services.filter(({ dialect }) => dialect === 'ollama').flatMap(({ prefix }) => [`GET ${prefix} open`, `GET ${prefix}/ open`])

/** The operations routes as they are mounted, asked one by one: what goes through the corridor says which right it wants. */
async function opsRoutes(): Promise<string[]> {
  const app = new Hono<GateEnv>()
  let asked: Policy | null = null
  const corridor = {
    admit: async (_envelope: unknown, policy: Policy) => {
      asked = policy
    },
  }
  const parts = { version: '0', ready: () => ({ ready: true, why: '' }), corridor } as unknown as OpsParts // the routes ask nothing else before they are admitted
  mountOps(app, parts)
  const found: string[] = []
  for (const { method, path } of app.routes) {
    asked = null
    const env = { incoming: { envelope: {} }, outgoing: new EventEmitter() } as unknown as GateEnv['Bindings'] // no socket: nothing is answered here
    await app.request(path, { method }, env)
    const { right = 'open' } = (asked ?? {}) as Partial<Policy> // set by the corridor above
    found.push(`${method} ${path} ${right}`)
  }
  return found
}

function socketRoutes(): string[] {
  const guard = () => () => new Response()
  const rooms = { identity: {}, models: { manage: {} }, usage: {}, spending: {} } as unknown as Omit<AdminParts, 'guard' | 'clock'> // never called
  return adminRoutes({ ...rooms, guard, clock: systemClock }).routes.map(({ method, path }) => `${method} /admin/api${path} owner`)
}

describe('docs/services.md', () => {
  it('has every route with its right, and none that is gone', async () => {
    const known = [...serviceRoutes(), ...greetings(), ...(await opsRoutes()), ...socketRoutes()]
    expect(known.length).toBeGreaterThan(30)
    expect(documentedRoutes().sort()).toEqual(known.sort())
  })

  it('has every built-in service with its prefix, its dialects and its rights', () => {
    const rows = [...page.matchAll(/^\| \[`([a-z]+)`\]\(#\1\) \| `([^`]+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|$/gm)]
    expect(
      rows.map(([, name, prefix, dialects = '', rights = '']) => ({
        name,
        prefix,
        dialects: names(dialects),
        rights: names(rights).sort(),
      })),
    ).toEqual(
      services.map(({ name, prefix, routes }) => ({
        name,
        prefix,
        dialects: BUILTIN[name]?.dialects,
        rights: [...new Set(routes.map(({ right }) => right))].sort(),
      })),
    )
  })

  it('tells what each dialect of a service does', () => {
    for (const [name, { dialects }] of Object.entries(BUILTIN)) {
      if (dialects.length === 1) continue
      const head = [...section(name).matchAll(/^\| \| (`.*`) \|$/gm)].map(([, cells = '']) => names(cells))
      expect([name, head]).toEqual([name, [dialects]])
    }
  })

  it.each([
    ['tts', 'field', speakInput.shape],
    ['image', 'field', simpleImageInput.shape],
    ['whisper', 'option', { ...transcribeOptions.shape, output: null }],
  ])('names the fields of %s, and no others', (name, column, shape) => {
    const table = section(name).split(`\n| ${column} |`)[1]?.split('\n\n')[0] ?? ''
    const fields = [...table.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) => names(cell))
    expect(fields.sort()).toEqual(Object.keys(shape).sort())
  })

  it('says the defaults that are taken', () => {
    const simple = Object.entries(simpleImageInput.parse({ prompt: 'x' })).filter(([field]) => field !== 'prompt')
    for (const [field, fallback] of simple)
      expect(section('image')).toMatch(new RegExp(`^\\| [^|]*\`${field}\`[^|]* \\| \`${fallback}\` \\|`, 'm'))
    const options = transcribeOptions.parse({})
    expect(section('whisper')).toContain(`| \`task\` | \`${options.task}\` |`)
    expect(section('whisper')).toContain(`| \`response_format\` | \`${options.response_format}\` |`)
    for (const format of SPEECH_FORMATS) expect(section('tts')).toContain(`\`${format}\``)
    for (const format of TRANSCRIPT_FORMATS) expect(section('whisper')).toContain(`\`${format}\``)
  })

  it('names the fields of txt2img, and no others', () => {
    const source = readFileSync(join(ROOT, 'src/dialects/a1111/policy.ts'), 'utf8')
    const keysOf = (table: string): string[] =>
      [...(new RegExp(`const ${table} = [^{[]*[{[]+([\\s\\S]*?)\\n[\\]}]`).exec(source)?.[1] ?? '').matchAll(/^ {2}'?(\w+)'?[:,]/gm)].map(
        ([, key = '']) => key,
      )
    const bullet = (start: string): string[] => names((section('image').split(`\n- ${start}`)[1] ?? '').split('\n- ')[0] ?? '')
    expect(keysOf('OPEN').length).toBeGreaterThan(40)
    expect(bullet('Everybody:').sort()).toEqual(keysOf('OPEN').sort())
    expect(bullet('With `manage:image` only').sort()).toEqual(keysOf('GUARDED').sort())
    expect(bullet('In `override_settings`').sort()).toEqual(keysOf('SETTINGS').sort())
  })

  it('names the fields of the management routes, and of no route any others', () => {
    const rows = new Map(
      [...page.matchAll(/^\| `([A-Z]+ \/admin\/api\/[^`]*)` \| owner \|([^|]*)\|/gm)].map(([, route = '', cell = '']) => [route, cell]),
    )
    // What stands in brackets are values and the fields of a field.
    const fieldsIn = (cell: string): string[] => names(cell.replaceAll(/\([^)]*\)/g, ''))
    const takes = (route: string): string[] => {
      const cell = (rows.get(route) ?? '').trim()
      const [also = '', ...rest] = cell.split(';')
      if (!cell.startsWith('the same')) return fieldsIn(cell).sort()
      expect([route, rest.length]).toEqual([route, 1])
      return [...takes(route.replace('PATCH', 'POST').replace(/\/:name.*/, '')), ...fieldsIn(also)].sort()
    }
    const schemas: Readonly<Record<string, { readonly shape: object }>> = {
      'GET /admin/api/keys': listKeysInput,
      'POST /admin/api/keys': createKeyInput,
      'POST /admin/api/keys/validate': validateKeyInput,
      'POST /admin/api/keys/import': importKeysInput,
      'POST /admin/api/keys/:id/disable': disableKeyInput,
      'POST /admin/api/keys/:id/rotate': rotateKeyInput,
      'PATCH /admin/api/keys/:id': editKeyInput,
      'GET /admin/api/users': listEntitiesInput,
      'POST /admin/api/users': createUserInput,
      'PATCH /admin/api/users/:name': { shape: { ...editUserInput.shape, ...stopUserInput.shape } },
      'DELETE /admin/api/users/:name': stopUserInput,
      'POST /admin/api/users/:name/credit': creditInput,
      'GET /admin/api/users/:name/credits': listCreditsInput,
      'GET /admin/api/endpoints': listEntitiesInput,
      'POST /admin/api/endpoints': createEndpointInput,
      'PATCH /admin/api/endpoints/:name': editEndpointInput,
      'GET /admin/api/models': listEntitiesInput,
      'POST /admin/api/models': createModelInput,
      'PATCH /admin/api/models/:name{.+}': editModelInput,
      'GET /admin/api/usage': usageInput,
      'GET /admin/api/usage/requests': usageRequestsInput,
    }
    expect(Object.keys(schemas).filter((route) => !rows.has(route))).toEqual([])
    for (const route of rows.keys()) expect([route, takes(route)]).toEqual([route, Object.keys(schemas[route]?.shape ?? {}).sort()])
  })

  it('quotes limits as they are', () => {
    const minutes = (ms: number): number => ms / 60_000
    const said: Readonly<Record<string, readonly string[]>> = {
      chat: [
        `between ${minutes(LIMITS.ollamaKeepAliveMsMin)} and ${minutes(LIMITS.ollamaKeepAliveMsMax)} minutes`,
        `up to ${LIMITS.ollamaNumCtxMax.toLocaleString('en')}`,
        `${LIMITS.chatBodyBytesMax / 1024 ** 2} MiB at most`,
        `up to ${LIMITS.blobBodyBytesMax / 1024 ** 3} GiB`,
      ],
      tts: [`${LIMITS.speechBodyBytesMax / 1024} KiB at most`],
      image: [
        `1 to ${LIMITS.imageStepsMax} |`,
        `${LIMITS.imageSidePxMin} to ${LIMITS.imageSidePxMax} pixels, ${LIMITS.imageUpscaledSidePxMax} after`,
        `makes ${LIMITS.imagesPerJobMax} pictures at most`,
        `at most ${LIMITS.queueLengthMax} of them and each for at most ${minutes(LIMITS.queueWaitMsMax)} minutes`,
      ],
      whisper: [
        `up to ${LIMITS.audioBodyBytesMax / 1024 ** 2} MiB`,
        `${LIMITS.spoolBytesMax / 1024 ** 3} GiB for all`,
        `at most ${LIMITS.transcriptPromptCharsMax.toLocaleString('en')} characters`,
      ],
    }
    for (const [name, sentences] of Object.entries(said))
      for (const sentence of sentences) expect(section(name).replaceAll(/\s+/g, ' ')).toContain(sentence)
  })
})
