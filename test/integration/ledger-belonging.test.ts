import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ROOT } from '../support/command-lines.ts'
import { type Ran, type Scratch, scratch, start } from '../support/program.ts'

const CLI = ['--import', 'tsx', join(ROOT, 'src/cli/portcullis.ts')]

let place: Scratch
beforeEach(() => {
  place = scratch('belonging')
})
afterEach(() => place.remove())

const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> =>
  start(process.execPath, [...CLI, ...args], { env: { ...place.env, ...env } }).ended

const data = (): string => place.env.DATA_DIR ?? ''
const ledger = (): string => place.env.AUDIT_LOG_FILE ?? ''
const at = (...names: string[]): string => join(place.dir, ...names)

/** All files with their content, but for the transpiler's own in the place for temporary files. */
const files = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(place.dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('tsx-'))
      .map((entry) => [join(entry.parentPath, entry.name), readFileSync(join(entry.parentPath, entry.name), 'latin1')]),
  )

async function isWhole(env: Readonly<Record<string, string>> = {}): Promise<void> {
  const { status, out, err } = await run(['audit', 'verify', '--json'], env)
  expect([status, err]).toEqual([0, ''])
  expect(JSON.parse(out)).toMatchObject({ ok: true, problemCount: 0, heldSealFound: true })
}

/** Ended with 3 and these words, and every file is as it was. */
async function refuses(args: readonly string[], env: Readonly<Record<string, string>>, words: readonly string[]): Promise<void> {
  const before = files()
  const { status, out, err } = await run(args, { PORT: '0', ...env })
  expect([status, out]).toEqual([3, ''])
  for (const word of words) expect(err).toContain(word)
  expect(err).not.toMatch(/^\s+at /m)
  expect(files()).toEqual(before)
}

/** Both open the house; the second looks as if it only read. */
const COMMANDS = [['serve'], ['key', 'list']] as const

describe('a ledger that stands where a command looks', () => {
  beforeEach(async () => {
    expect((await run(['key', 'generate', '-u', 'ada', '-s', 'all'])).status).toBe(0)
  })

  it('is left alone by another data directory, new or old', { timeout: 120_000 }, async () => {
    const words = [ledger(), 'do not belong together', 'Set AUDIT_LOG_FILE to', 'DATA_DIR', 'mv ']
    for (const args of COMMANDS) await refuses(args, { DATA_DIR: at('other') }, [...words, at('other')])
    expect(existsSync(at('other'))).toBe(false)
    const own = { DATA_DIR: at('other'), AUDIT_LOG_FILE: at('others', 'audit.log') }
    expect((await run(['key', 'list'], own)).status).toBe(0)
    await refuses(['key', 'list'], { DATA_DIR: at('other') }, [...words, at('other'), at('others', 'audit.log')])
    await isWhole()
    await isWhole(own)
  })

  it('is not left for a second one under the same key', { timeout: 120_000 }, async () => {
    const elsewhere = { AUDIT_LOG_FILE: at('elsewhere', 'audit.log') }
    const words = [data(), ledger(), elsewhere.AUDIT_LOG_FILE, 'Set AUDIT_LOG_FILE to', 'ledger.path']
    for (const args of COMMANDS) await refuses(args, elsewhere, words)
    expect(existsSync(at('elsewhere'))).toBe(false)
    await isWhole()
    renameSync(dirname(ledger()), at('elsewhere'))
    expect((await run(['key', 'list'], elsewhere)).status).toBe(0)
    await isWhole(elsewhere)
  })
})
