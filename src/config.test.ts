import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError, loadConfig, loadPaths } from './config.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'portcullis-config-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

const faultsOf = (service: string): readonly string[] => {
  const file = join(dir, `${service}.yaml`)
  writeFileSync(file, `services:\n  ${service}:\n    url: http://127.0.0.1:9000\n    routes: |\n      GET /list\n`)
  try {
    loadConfig({ PORTCULLIS_CONFIG: file })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults.map(({ where, what }) => `${where}: ${what}`)
  }
}

it('a service whose variables are its own is taken', () => {
  expect(faultsOf('rerank')).toEqual([])
})

it('a service whose variable is that of another setting is a fault', () => {
  expect(faultsOf('ollama')).toEqual([
    'services.ollama.url: two settings share the variable OLLAMA_URL, this and services.chat.url; choose another name',
  ])
})

it('a service may have a name that every object knows', () => {
  expect(faultsOf('constructor')).toEqual([])
  const { services } = loadConfig({ PORTCULLIS_CONFIG: join(dir, 'constructor.yaml') })
  expect(services.find(({ name }) => name === 'constructor')).toMatchObject({
    errors: 'problem',
    dialect: 'plain',
    routes: [{ path: '/constructor/list' }],
  })
})

it.each([
  ['OLLAMA_URL', 'http://ada:s3cret-word@127.0.0.1:1'],
  ['OLLAMA_URL', 'http://127.0.0.1:1/?key=s3cret-word'],
  ['CHAT_AUTH_HEADER', 'Bearer s3cret-word'],
  ['CHAT_AUTH_VALUE_FILE', 's3cret-word'],
])('a fault of %s=%s does not repeat the secret', (variable, value) => {
  expect(() => loadConfig({ PORTCULLIS_CONFIG: '/dev/null', [variable]: value })).toThrow(ConfigError)
  expect(() => loadConfig({ PORTCULLIS_CONFIG: '/dev/null', [variable]: value })).not.toThrow(/s3cret-word/)
})

function told(
  text: string,
  load: (env: Readonly<Record<string, string>>) => unknown,
  env: Readonly<Record<string, string>> = {},
): string[] {
  const file = join(dir, 'portcullis.yaml')
  writeFileSync(file, text)
  try {
    load({ PORTCULLIS_CONFIG: file, ...env })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults.map(({ where, what }) => `${where}: ${what}`.replace(file, 'portcullis.yaml'))
  }
}

it.each([
  ['wrong', 'services:\n  rerank:\n    url: nowhere\n    routes: [GET /x]\n', /^portcullis\.yaml:3 services\.rerank\.url: want an http/],
  ['empty', 'services:\n  rerank:\n    url:\n    routes: [GET /x]\n', /^portcullis\.yaml:3 services\.rerank\.url: want an http/],
  ['missing', 'services:\n  rerank:\n    routes: [GET /x]\n', /^portcullis\.yaml:2 services\.rerank\.url: is missing$/],
])('a url that is %s is one fault', (_what, text, fault) => {
  expect(told(text, loadConfig)).toEqual([expect.stringMatching(fault)])
})

it('a fault of syntax is one sentence, with its place', () => {
  const faults = told('audit:\n  file: a\n  file: b\n', loadConfig)
  expect(faults).toEqual([expect.stringMatching(/^portcullis\.yaml:3: .* at line 3, column 3$/)])
})

describe('a fault of the file that a variable covers', () => {
  const text = `server:
  port: 99999999
log_level: loud
services:
  rerank: {url: nowhere, routes: [GET /x, SEND /y]}
`
  const env = { PORT: '0', LOG_LEVEL: 'info', RERANK_URL: 'http://127.0.0.1:9000', RERANK_ROUTES: 'GET /x' }

  it('is reported at once with its line, whatever the environment says', () => {
    const faults = told(text, loadConfig)
    expect(faults.map((fault) => fault.split(':').slice(0, 2).join(':'))).toEqual([
      'portcullis.yaml:2 server.port',
      'portcullis.yaml:3 log_level',
      'portcullis.yaml:5 services.rerank.url',
      'portcullis.yaml:5 services.rerank.routes',
    ])
    expect(told(text, loadConfig, env)).toEqual(faults)
  })

  it('is reported beside that of the variable', () => {
    expect(told('server: {port: x}\n', loadConfig, { PORT: 'y' })).toEqual([
      expect.stringMatching(/^portcullis\.yaml:1 server\.port: .*"x"/),
      expect.stringMatching(/^PORT: .*"y"/),
    ])
  })

  it('keeps no ledger from being found', () => {
    expect(told('data_dir: []\n', loadPaths, { DATA_DIR: '/a' })).toEqual([])
  })
})

it.each(['[]', '{a: b}', '7'])('a credential file named %s is one fault', (value) => {
  const text = `services:\n  chat:\n    auth: {header: X-Key, value_file: ${value}}\n`
  expect(told(text, loadConfig)).toHaveLength(1)
})

describe('the paths that commands work on', () => {
  it.each([
    ['cannot be parsed', 'data_dir: /a\n : : [\n'],
    ['holds no keys and values', '- data_dir\n'],
    ['misspells where the data is', 'data_dri: /a\nservices:\n  chat:\n    url: nowhere\n'],
    ['misspells where the ledger is', 'audit: {fiel: /a}\n'],
    ['gives no text for it', 'data_dir: []\n'],
  ])('are not taken from elsewhere when the file %s: its faults are those of the whole check', (_what, text) => {
    const faults = told(text, loadPaths)
    expect(faults.length).toBeGreaterThan(0)
    expect(faults).toEqual(told(text, loadConfig))
  })

  it('do not ask for a file that was named and is not there', () => {
    expect(told('', loadPaths, { PORTCULLIS_CONFIG: join(dir, 'none.yaml') })).toEqual([expect.stringContaining('there is no file')])
  })

  it('are found in spite of a wrong value that has nothing to do with them', () => {
    expect(told('data_dir: /a\nlog_level: loud\nservices:\n  chat: {url: nowhere, urll: x}\n', loadPaths)).toEqual([])
  })
})
