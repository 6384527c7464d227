import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { Report } from './document.ts'
import { ALL_SECTIONS, analyse, chosenSections, toFail2ban, toHtml, toJson, toText } from './index.ts'

const at = (name: string): string => fileURLToPath(new URL(`golden/${name}`, import.meta.url))
const clock = { nowMs: () => Date.UTC(2026, 4, 4, 9), monoMs: () => 0 }

/** Named by their names alone, so that the golden files are the same wherever they stand. */
const read = (names: readonly string[], hours?: number): Promise<Report> =>
  analyse(
    names.map((name) => ({ name, path: at(name), bytes: 0, bytesMax: Number.POSITIVE_INFINITY })),
    { clock, stdin: process.stdin, ...(hours === undefined ? {} : { hours }) },
  )

const text = (report: Report, asked: { suspicious?: boolean; users?: boolean } = {}): string =>
  toText(report, { sections: chosenSections(asked), colour: false })

it('a ledger as text, with its threats and its users', async () => {
  const report = await read(['audit.log'])
  await expect(text(report)).toMatchFileSnapshot('golden/summary.txt')
  await expect(text(report, { suspicious: true })).toMatchFileSnapshot('golden/suspicious.txt')
  await expect(text(report, { users: true })).toMatchFileSnapshot('golden/users.txt')
})

it('the same as JSON, as a page, and for fail2ban', async () => {
  const report = await read(['audit.log'])
  await expect(toJson(report, ALL_SECTIONS)).toMatchFileSnapshot('golden/report.json')
  await expect(toHtml(report, ALL_SECTIONS)).toMatchFileSnapshot('golden/report.html')
  await expect(toFail2ban(report)).toMatchFileSnapshot('golden/block.txt')
})

it('the old audit log', async () => {
  await expect(text(await read(['legacy.log']))).toMatchFileSnapshot('golden/legacy.txt')
})

it("the front's log counts only what the front answered itself", async () => {
  await expect(text(await read(['access.log']))).toMatchFileSnapshot('golden/access.txt')
})

it('only the hours that were asked for', async () => {
  const { report, summary } = await read(['legacy.log', 'audit.log'], 0.75)
  expect(report.from).toBe('2026-05-04T08:15:00Z')
  expect(summary.lines).toMatchObject({ read: 32, in_range: 3, malformed: 2 })
  expect(summary.requests.total).toBe(1)
})

it('nothing to read is a report too', async () => {
  const report = await analyse([], { clock, stdin: process.stdin })
  expect(text(report)).toContain('nothing in range')
  expect(toHtml(report, ALL_SECTIONS)).toContain('Nothing in range')
  expect(JSON.parse(toJson(report, ALL_SECTIONS)).summary.requests.total).toBe(0)
})

it('a file that cannot be read to its end is said, and the rest is there', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-golden-'))
  try {
    const gone = { name: 'gone.log', path: join(directory, 'gone.log'), bytes: 0, bytesMax: Number.POSITIVE_INFINITY }
    const good = { name: 'audit.log', path: at('audit.log'), bytes: 0, bytesMax: Number.POSITIVE_INFINITY }
    const report = await analyse([gone, good], { clock, stdin: process.stdin })
    expect(report.report.notes).toEqual([expect.stringMatching(/^gone.log could not be read to its end: ENOENT/)])
    expect(report.summary.requests.total).toBeGreaterThan(0)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
