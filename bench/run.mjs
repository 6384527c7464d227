// The bench of docs/performance.md: the gateway and its rivals in one run, on one pinned core, in rounds that take turns.
//   --short               fewer and shorter rounds, for CI (about a minute and a half)
//   --only small,start    these sections alone
//   --write-docs          puts the figures into docs/performance.md; with --only, those of these sections
// Ends with 1 when a bench was broken (a wrong status, wrong bytes, a missing tool) or, in a full run, a figure is below half of its goal.
import { existsSync } from 'node:fs'
import { GATEWAY } from './lib/gateway.mjs'
import { loadAverage, machineFacts } from './lib/machine.mjs'
import { print, verdicts, writeDocument, writeSections } from './lib/report.mjs'
import { installRivals } from './rivals/index.mjs'
import { latency } from './sections/latency.mjs'
import { loop } from './sections/loop.mjs'
import { memory } from './sections/memory.mjs'
import { small } from './sections/small.mjs'
import { startUp } from './sections/start.mjs'
import { streams } from './sections/streams.mjs'
import { v1 } from './sections/v1.mjs'

const SECTIONS = { small, latency, streams, v1, memory, start: startUp, loop }

function readArguments(words) {
  const options = { short: false, writeDocs: false, only: Object.keys(SECTIONS) }
  while (words.length > 0) {
    const word = words.shift()
    if (word === '--short') options.short = true
    else if (word === '--write-docs') options.writeDocs = true
    else if (word === '--only' || word.startsWith('--only='))
      options.only = (word.slice('--only='.length) || words.shift() || '').split(',')
    else usage(`unknown argument ${word}`)
  }
  for (const name of options.only) if (!Object.hasOwn(SECTIONS, name)) usage(`there is no section ${name}`)
  return options
}

function usage(fault) {
  process.stderr.write(`${fault}\nusage: npm run bench -- [--short] [--only ${Object.keys(SECTIONS).join(',')}] [--write-docs]\n`)
  process.exit(2)
}

const { short, writeDocs, only } = readArguments(process.argv.slice(2))
const say = (line) => void process.stdout.write(`  ${line}\n`)

if (!existsSync(GATEWAY)) usage('dist/ is missing: run `npm run build` first')
await installRivals()

const results = []
const broken = []
const startedAt = performance.now()
const loadBefore = loadAverage()
for (const name of only) {
  process.stdout.write(`\n── ${name} ${'─'.repeat(60 - name.length)}\n`)
  try {
    results.push(await SECTIONS[name]({ short, say }))
  } catch (fault) {
    broken.push(`${name}: ${fault instanceof Error ? fault.message : String(fault)}`)
    say(`BROKEN: ${broken.at(-1)}`)
  }
}

const rows = verdicts(results, only)
print(results, rows)
if (writeDocs && broken.length === 0) {
  const facts = await machineFacts()
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  const run = `${short ? 'short' : 'full'}, ${seconds} s; load average before it ${loadBefore.toFixed(2)}`
  const [date, commit] = ['Date', 'Commit'].map((name) => facts.find(([fact]) => fact === name)?.[1])
  if (only.length === Object.keys(SECTIONS).length) writeDocument(results, rows, [...facts, ['The run', run]])
  else writeSections(results, rows, `Measured by itself on ${date} at ${commit} (${run}).`)
}

const far = rows.filter(({ verdict }) => verdict === 'FAR OFF').map(({ what, goal, reached }) => `${what}: ${reached}, want ${goal}`)
for (const line of broken) process.stdout.write(`\nFAILED  ${line}\n`)
for (const line of far) process.stdout.write(`\n${short ? 'FAR OFF' : 'FAILED '} ${line}\n`)
process.stdout.write(`\nBench: ${Math.round((performance.now() - startedAt) / 1_000)} s, load average before it ${loadBefore.toFixed(2)}\n`)
// A short run on a machine that others use says little of speed; what it holds is that every answer was right.
process.exit(broken.length + (short ? 0 : far.length) === 0 ? 0 : 1)
