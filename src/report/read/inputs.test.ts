import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { findInputs } from './inputs.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'portcullis-inputs-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const at = (name: string): string => join(directory, name)
const open = (day: number, segment: string, previous?: object): string =>
  `\n${JSON.stringify({ v: 1, time: `2026-05-0${day}T00:00:00.000Z`, seq: day, event: 'open', segment, previous, hash: `hash-${segment}` })}\n`
const namesOf = async (...names: string[]): Promise<string[]> => (await findInputs(names)).inputs.map(({ name }) => basename(name))

it('orders files by when they begin, whatever their names', async () => {
  writeFileSync(at('audit.log'), open(3, 'audit-3'))
  writeFileSync(at('audit-2.log.gz'), gzipSync(open(2, 'audit-2')))
  writeFileSync(at('zz-first.log'), '2026-05-01 00:00:00 UTC | INFO | PUBLIC | GET / | IP: 10.0.0.1\n')
  expect(await namesOf(directory)).toEqual(['zz-first.log', 'audit-2.log.gz', 'audit.log'])
})

it('takes patterns, directories and symbolic links, and each file once', async () => {
  writeFileSync(at('audit.log'), open(1, 'audit-1'))
  writeFileSync(at('audit-2.log'), open(2, 'audit-2'))
  writeFileSync(at('notes.txt'), 'no log')
  mkdirSync(at('old.log'))
  symlinkSync(at('audit.log'), at('link.log'))
  expect(await namesOf(at('audit*.log'), directory, at('link.log'))).toHaveLength(2)
})

it('a segment that stands there plain and compressed is read once', async () => {
  writeFileSync(at('audit-1.log'), open(1, 'audit-1'))
  writeFileSync(at('audit-1.log.gz'), gzipSync(open(1, 'audit-1')))
  copyFileSync(at('audit-1.log'), at('copy.log'))
  expect(await namesOf(directory)).toHaveLength(1)
})

it('a segment that a failed write ended is read up to what was acknowledged', async () => {
  writeFileSync(at('audit-1.broken-20260502T000000Z.log'), open(1, 'audit-1'))
  writeFileSync(at('audit.log'), open(2, 'audit-2', { segment: 'audit-1', hash: 'x', bytes: 77, broken: true }))
  const { inputs } = await findInputs([directory])
  expect(inputs.map(({ bytesMax }) => bytesMax)).toEqual([77, Number.POSITIVE_INFINITY])
})

it('names what cannot be read, and why', async () => {
  mkdirSync(at('empty'))
  const { inputs, unreadable } = await findInputs([at('nothing.log'), at('no*.log'), join(at('gone'), '*.log'), at('empty')])
  expect(inputs).toEqual([])
  expect(unreadable.map(({ why }) => why)).toEqual([
    'there is no such file',
    'no file matches',
    'no file matches',
    'it is a directory with no logs in it',
  ])
})

it('the standard input comes last, because it cannot be looked into first', async () => {
  writeFileSync(at('audit.log'), open(1, 'audit-1'))
  const { inputs } = await findInputs(['-', at('audit.log')])
  expect(inputs.map(({ path }) => path === null)).toEqual([false, true])
})

it('an empty file is an input with nothing in it', async () => {
  writeFileSync(at('audit.log'), '')
  expect(await namesOf(at('audit.log'))).toEqual(['audit.log'])
})
