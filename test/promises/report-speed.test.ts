import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { writeBulkLedger } from '../support/bulk-ledger.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const LINES = LONG ? 1_000_000 : 300_000
const HOSTILE_LINES = LONG ? 500_000 : 120_000
const GOAL_LINES_PER_S = 150_000
const RSS_MIB_MAX = 256

const root = fileURLToPath(new URL('../..', import.meta.url))
// Inside the project, so that the built files find its packages.
const built = join(root, '.cache', `report-speed-${process.pid}`)
let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'portcullis-speed-'))
  spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', built], {
    cwd: root,
  })
}, 120_000)
afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
  rmSync(built, { recursive: true, force: true })
})

interface Figures {
  readonly ms: number
  readonly cpuMs: number
  readonly rssMiB: number
}

/** The command as built, in a process of its own: the loaders of a test run would be counted otherwise. */
function reportOn(log: string): {
  figures: Figures
  summary: { lines: { read: number }; addresses: { distinct: number; exact: boolean } }
} {
  const output = join(directory, 'report.json')
  const child = fileURLToPath(new URL('../support/report-child.mjs', import.meta.url))
  const said = execFileSync(process.execPath, [child, built, log, output], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return { figures: JSON.parse(said), summary: JSON.parse(readFileSync(output, 'utf8')).summary }
}

function say(what: string, lines: number, { ms, cpuMs, rssMiB }: Figures): number {
  // The work is one thread's; what the collector does beside it is counted against it.
  const perSecond = Math.round(lines / (cpuMs / 1_000))
  process.stdout.write(
    `report: ${what}: ${lines} lines in ${(ms / 1_000).toFixed(1)} s, ${perSecond} lines per second of processor time, ${Math.round(rssMiB)} MiB RSS\n`,
  )
  return perSecond
}

it('reads an ordinary ledger fast', { timeout: 120_000 }, () => {
  const log = join(directory, 'audit.log')
  writeBulkLedger(log, { lines: LINES, startMs: Date.UTC(2026, 4, 4), seed: 1 })
  const { figures, summary } = reportOn(log)
  const perSecond = say('an ordinary ledger', LINES, figures)
  expect(summary.lines.read).toBeGreaterThanOrEqual(LINES)
  expect(figures.rssMiB).toBeLessThan(RSS_MIB_MAX)
  expect(perSecond).toBeGreaterThan(GOAL_LINES_PER_S / 2)
})

it('keeps within its memory when every line names somebody new', { timeout: 240_000 }, () => {
  const log = join(directory, 'hostile.log')
  writeBulkLedger(log, { lines: HOSTILE_LINES, startMs: Date.UTC(2026, 4, 4), seed: 2, hostile: true })
  const { figures, summary } = reportOn(log)
  say('a ledger of strangers', HOSTILE_LINES, figures)
  expect(summary.addresses.distinct).toBeGreaterThan(LONG ? 199_999 : 75_000)
  expect(figures.rssMiB).toBeLessThan(RSS_MIB_MAX)
})
