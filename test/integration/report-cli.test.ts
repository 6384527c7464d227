import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLI } from '../support/built.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const golden = (name: string): string => join(root, 'src/report/golden', name)

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'portcullis-report-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))
const at = (name: string): string => join(directory, name)

interface Ran {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

/** The command as a person runs it, with the configured ledger in the test's own directory. */
const report = (args: readonly string[], input?: Buffer): Promise<Ran> => portcullis(['report', ...args], {}, input)

function portcullis(args: readonly string[], env: Readonly<Record<string, string>>, input?: Buffer): Promise<Ran> {
  const child = spawn(process.execPath, [...CLI, ...args], {
    cwd: root,
    env: { ...process.env, AUDIT_LOG_FILE: at('audit.log'), DATA_DIR: at('data'), NO_COLOR: '1', ...env },
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => (out += chunk))
  child.stderr.on('data', (chunk) => (err += chunk))
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return new Promise((done) => child.on('close', (status) => done({ status, out, err })))
}

describe('what it reads', () => {
  it('the whole configured ledger, rotated and compressed segments too, when nothing is named', async () => {
    const lines = readFileSync(golden('audit.log'), 'utf8')
    writeFileSync(at('audit.log'), lines)
    writeFileSync(at('audit-20260503T000000Z-1.log.gz'), gzipSync(lines.replaceAll('2026-05-04', '2026-05-03')))
    const { status, out } = await report(['--json'])
    const made = JSON.parse(out)
    expect(status).toBe(0)
    expect(made.report.files.map((file: { name: string }) => file.name.slice(directory.length + 1))).toEqual([
      'audit-20260503T000000Z-1.log.gz',
      'audit.log',
    ])
    expect(made.report.from).toBe('2026-05-03T08:00:00Z')
  })

  it('the standard input, compressed or not', async () => {
    const lines = readFileSync(golden('audit.log'))
    for (const input of [lines, gzipSync(lines)]) {
      const { status, out } = await report(['--log-file', '-', '--users'], input)
      expect(status).toBe(0)
      expect(out).toContain('anna')
    }
  })

  it('patterns that no shell has seen, old logs, and the log of the front beside them', async () => {
    for (const name of ['audit.log', 'legacy.log']) writeFileSync(at(name), readFileSync(golden(name)))
    writeFileSync(at('access.json'), readFileSync(golden('access.log')))
    const { status, out } = await report(['--log-file', at('*.log'), '--caddy-log', at('access.json'), '--json'])
    expect(status).toBe(0)
    const { summary } = JSON.parse(out)
    expect(summary.events.map((event: { name: string }) => event.name)).toEqual(
      expect.arrayContaining(['outcome', 'UNAUTHORIZED', 'front']),
    )
    expect(summary.lines.passed_on).toBe(3)
  })
})

describe('what it gives', () => {
  it('a page that only its owner may read, and a word about where it is', async () => {
    const { status, out, err } = await report(['--log-file', golden('audit.log'), '--html', '--output', at('report.html')])
    expect([status, out]).toEqual([0, ''])
    expect(err).toContain(at('report.html'))
    expect(readFileSync(at('report.html'), 'utf8')).toMatch(/^<!doctype html>/)
    expect(statSync(at('report.html')).mode & 0o777).toBe(0o600)
    expect(existsSync(at('report.html.part'))).toBe(false)
  })

  it('threats are an answer, not a failure', async () => {
    const { status, out } = await report(['--log-file', golden('audit.log'), '--suspicious'])
    expect(status).toBe(0)
    expect(out).toContain('13 failed sign-ins from 203.0.113.66')
  })

  it('addresses for fail2ban', async () => {
    const { out } = await report(['--log-file', golden('audit.log'), '--format', 'fail2ban'])
    expect(out).toContain('2026-05-04T08:10:10Z portcullis: block 203.0.113.66 scope=public reason=brute_force')
  })
})

describe('how it ends', () => {
  it.each([
    [['--hours', 'many'], /want a number of hours/],
    [['--hours', '0'], /want a number of hours/],
    [['--json', '--html'], /one form/],
    [['--format', 'pdf'], /Allowed choices/],
    [['--colour'], /unknown option/],
  ])('%j is wrong usage: 2', async (args, why) => {
    const { status, out, err } = await report(args)
    expect([status, out]).toEqual([2, ''])
    expect(err).toMatch(why)
  })

  it('a slip does not replace the log by its report: 2', async () => {
    writeFileSync(at('audit.log'), readFileSync(golden('audit.log')))
    const { status, err } = await report(['--output', at('audit.log')])
    expect(status).toBe(2)
    expect(err).toContain('one of the logs')
    expect(readFileSync(at('audit.log'))).toEqual(readFileSync(golden('audit.log')))
  })

  it('no ledger, no such file, no place to write: 3, and it says which', async () => {
    expect(await report([])).toMatchObject({ status: 3, err: expect.stringContaining(at('audit.log')) })
    expect(await report(['--log-file', at('gone.log')])).toMatchObject({ status: 3, err: expect.stringContaining('gone.log') })
    const { status, err } = await report(['--log-file', golden('audit.log'), '--output', join(directory, 'no', 'such', 'place')])
    expect(status).toBe(3)
    expect(err).toContain('cannot be written')
  })

  it('a compressed log that was cut is reported as far as it goes: 3', async () => {
    const packed = gzipSync(readFileSync(golden('audit.log')))
    writeFileSync(at('cut.log.gz'), packed.subarray(0, packed.length - 9))
    const { status, out, err } = await report(['--log-file', at('cut.log.gz')])
    expect(status).toBe(3)
    expect(out).toContain('Requests')
    expect(err).toContain('cut.log.gz could not be read to its end')
  })

  it.skipIf(process.getuid?.() === 0)('a log that may not be read: 3', async () => {
    writeFileSync(at('secret.log'), 'x')
    chmodSync(at('secret.log'), 0)
    expect(await report(['--log-file', at('secret.log')])).toMatchObject({ status: 3, err: expect.stringContaining('may not be read') })
  })
})

it.each(['report', 'audit head', 'key list', 'config check'])(
  '`%s` does not work on another ledger than a broken portcullis.yaml names',
  async (words) => {
    const file = at('portcullis.yaml')
    writeFileSync(file, 'data_dir: /nowhere\naudit: {file: [}\n')
    const { status, out, err } = await portcullis(words.split(' '), { PORTCULLIS_CONFIG: file })
    expect({ status, out }).toEqual({ status: 2, out: '' })
    expect(err).toMatch(/^The configuration has \d faults?:\n.*portcullis\.yaml:2: /)
  },
)
