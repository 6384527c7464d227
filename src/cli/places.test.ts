import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { explainPlaces, isThere, readText } from './places.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'portcullis-places-'))
  writeFileSync(join(dir, 'file'), '')
})
afterAll(() => rmSync(dir, { recursive: true }))

const thrownBy = (work: () => unknown): unknown => {
  try {
    return work()
  } catch (thrown) {
    return thrown
  }
}

it('a place that cannot be used is told with what it is for and where it was named', () => {
  const places = { dataDir: join(dir, 'file', 'data'), ledgerFile: '/l/audit.log' }
  expect(
    explainPlaces(
      thrownBy(() => mkdirSync(places.dataDir)),
      places,
    ),
  ).toMatchObject({
    exitCode: 3,
    message: [
      `${places.dataDir} cannot be used: a part of this path is a file, and a directory is wanted.`,
      `  data    ${places.dataDir} (DATA_DIR, or data_dir in portcullis.yaml)`,
      '  ledger  /l/audit.log (AUDIT_LOG_FILE, or audit.file)',
    ].join('\n'),
  })
})

it('what is no fault of a place stays as it is', () => {
  const thrown = new Error('x')
  expect(explainPlaces(thrown, { dataDir: '', ledgerFile: '' })).toBe(thrown)
})

it('a file is there, or not, or cannot be looked at, which is neither', () => {
  expect(isThere(join(dir, 'file'))).toBe(true)
  expect(isThere(join(dir, 'none'))).toBe(false)
  expect(() => isThere(join(dir, 'file', 'x'))).toThrow(/x cannot be used: a part of this path/)
  expect(() => readText(dir)).toThrow(`${dir} cannot be used: it is a directory, and a file is wanted.`)
})
