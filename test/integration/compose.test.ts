import { readFileSync } from 'node:fs'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { describe, expect, test } from 'vitest'
import { compose } from '../support/compose.ts'
import { lacking, named, toolOrThrow } from '../support/tools.ts'

const reason = lacking('compose-schema')

describe.skipIf(reason)(named('docker-compose.yml and the Compose specification', reason), () => {
  const load = () => {
    const { $schema: _dialect, ...schema } = JSON.parse(readFileSync(toolOrThrow('compose-schema').path, 'utf8')) as Record<string, unknown> // a JSON schema is an object
    const ajv = new Ajv2019({ strict: false, validateFormats: false, allErrors: true })
    // Its `id`s only repeat where they stand; this validator takes the word for a mistake.
    ajv.removeKeyword('id')
    return ajv.compile(schema)
  }

  test('the file is valid', () => {
    const validate = load()
    validate(compose)
    expect(validate.errors ?? []).toEqual([])
  })

  test('the schema does refuse what is not', () => {
    const validate = load()
    expect(validate({ services: { a: { image: 'x', prots: ['80:80'] } } })).toBe(false)
    expect(validate({ services: { a: { image: 'x', healthcheck: { test: 1 } } } })).toBe(false)
    expect(validate({ servces: {} })).toBe(false)
  })
})
