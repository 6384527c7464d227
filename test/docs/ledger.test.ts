import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { listSegments } from '../../src/audit/index.ts'
import * as contract from '../../src/contract/index.ts'
import { type LedgerPlace, ledgerAt, ledgerPlace, writePairs } from '../support/ledger.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/ledger.md', import.meta.url)), 'utf8')

/** Fields named in the first column of the tables under a heading, or of the page before the first event. */
function fieldsUnder(heading: string): string[] {
  const from = page.indexOf(heading)
  const end = page.slice(from + heading.length).search(/\n##/)
  return [...page.slice(from, from + heading.length + end).matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([a-z_0-9]+)`/g)].map((m) => m[1] ?? ''),
  )
}

const COMMON = ['v', 'time', 'seq', 'event', 'hash']
const LINES: Readonly<Record<string, z.ZodObject>> = {
  intent: contract.intentLine,
  outcome: contract.outcomeLine,
  refused: contract.refusedLine,
  refused_summary: contract.refusedSummaryLine,
  lifecycle: contract.lifecycleLine,
  open: contract.openLine,
  seal: contract.sealLine,
}

describe('docs/ledger.md', () => {
  const general = fieldsUnder('## The format')
  const about = general.filter((field) => !COMMON.includes(field))

  it.each(Object.entries(LINES))('names the fields of %s, and no others', (event, schema) => {
    const own = fieldsUnder(`### ${event}\n`)
    const shared = event === 'intent' || event === 'outcome' || event === 'refused' ? about : []
    expect([...COMMON, ...shared, ...own].sort()).toEqual(Object.keys(schema.shape).sort())
  })

  it('names every way in which a request can end', () => {
    for (const ending of contract.ENDINGS) expect(page).toContain(`\`${ending}\``)
  })
})

it('names every file that a ledger has', async () => {
  const place = ledgerPlace()
  const ledger = await ledgerAt(place)
  await ledger.close()
  const files = [dirname(place.file), place.keyDir].flatMap((dir) => readdirSync(dir))
  expect(files).toContain('audit.lock')
  for (const file of files) expect(page).toMatch(new RegExp(`^\\| \`(?:logs/)?${file.replace('.', '\\.')}\``, 'm'))
  place.remove()
})

describe('the recipe for verifying by hand', () => {
  let place: LedgerPlace
  beforeEach(() => {
    place = ledgerPlace()
  })
  afterEach(() => place.remove())

  it('runs as it stands, and notices a change', async () => {
    const ledger = await ledgerAt(place, { rotateMiB: 0.02 })
    await writePairs(ledger, 0, 60)
    await ledger.close()
    const recipe = join(place.dir, 'verify.mjs')
    writeFileSync(recipe, /```js\n([\s\S]*?)```/.exec(page)?.[1] ?? '')
    const files = listSegments(place.file)
    expect(files.length).toBeGreaterThan(2)
    const run = (): string =>
      execFileSync(process.execPath, [recipe, join(place.keyDir, 'ledger.pub'), ...files], { encoding: 'utf8', stdio: 'pipe' })
    expect(run()).toBe(`whole, up to ${ledger.head().hash}\n`)
    writeFileSync(place.file, readFileSync(place.file, 'utf8').replace('"ada"', '"eve"'))
    expect(run).toThrow(/changed: /)
  })
})
