import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ConfigError, loadConfig } from './config.ts'

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
