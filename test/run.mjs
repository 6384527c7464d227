// The whole test run, and the only entry people and CI need: `npm test`, `npm run promises`.
//   --only unit,integration   these steps alone
//   --promises                test/promises in their long form, with a table of their figures
// A failing step hides no later one. The last line is `N passed, N failed`, with `, N skipped` where something was.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { tool, toolNames } from '../scripts/tools.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const MINUTE_MS = 60_000
const { only, long } = readArguments(process.argv.slice(2))

const STEPS = [
  { name: 'build', run: () => command('build', ['scripts/build.mjs']) },
  { name: 'lint', run: () => command('format and lint', ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.']) },
  { name: 'types', run: () => command('types', ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json']) },
  { name: 'tools', run: findTools },
  { name: 'unit', run: () => tests('unit', ['src', 'test/docs']) },
  { name: 'integration', run: () => tests('integration', ['test/integration']) },
  { name: 'caddy', run: () => tests('caddy', ['test/caddy']) },
  // Last and alone, because they measure time.
  { name: 'promises', run: () => tests('promises', ['test/promises'], long ? 240 * MINUTE_MS : 10 * MINUTE_MS) },
]
const LONG_STEPS = ['build', 'tools', 'promises']

const figures = []
let running

function readArguments(words) {
  const known = { only: undefined, long: false }
  while (words.length > 0) {
    const word = words.shift()
    if (word === '--promises') known.long = true
    else if (word === '--only' || word.startsWith('--only=')) known.only = (word.slice('--only='.length) || words.shift() || '').split(',')
    else usage(`unknown argument ${word}`)
  }
  return known
}

function usage(fault) {
  process.stderr.write(`${fault}\nusage: node test/run.mjs [--promises] [--only build,lint,types,tools,unit,integration,caddy,promises]\n`)
  process.exit(2)
}

/** A program that passes or fails as a whole. */
async function command(name, args) {
  const { status, why } = await node(args, { msMax: 5 * MINUTE_MS })
  return status === 0 ? { passed: 1 } : { failed: [`${name}: ${why}`] }
}

/** Fetching once here means no test waits for it. A tool that cannot be had skips its tests for a person and fails in CI. */
function findTools() {
  const failed = []
  const skipped = []
  for (const name of toolNames) {
    const answer = tool(name)
    process.stdout.write(answer.missing ? `  ${name}: missing\n` : `  ${name}: ${answer.path}\n`)
    if (!answer.missing) continue
    if (process.env.CI === 'true') failed.push(`tool ${answer.missing}`)
    else skipped.push({ name: `tests that need ${name}`, why: answer.missing })
  }
  return { passed: failed.length === 0 ? 1 : 0, failed, skipped }
}

async function tests(project, folders, msMax = 10 * MINUTE_MS) {
  if (!folders.some(holdsTests)) {
    process.stdout.write(`  there are no test files in ${folders.join(' or ')}\n`)
    return {}
  }
  const scratch = mkdtempSync(join(tmpdir(), 'portcullis-tally-'))
  const report = join(scratch, 'tally.json')
  const args = ['run', '--project', project, '--update=none', '--reporter=default', '--reporter=./test/support/tally-reporter.mjs']
  const env = { PORTCULLIS_TALLY: report, ...(long ? { PORTCULLIS_LONG: '1' } : {}) }
  const { status, why } = await node(['node_modules/vitest/vitest.mjs', ...args], { env, msMax, onLine: noteFigure })
  const tally = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : { passed: 0, failed: [], skipped: [], unhandled: 0 }
  rmSync(scratch, { recursive: true, force: true })
  const failed = [...tally.failed]
  if (tally.unhandled > 0) failed.push(`${project}: ${tally.unhandled} errors outside any test`)
  const ran = tally.passed + failed.length + tally.skipped.length
  if (ran === 0) failed.push(`${project}: not one test ran, though ${folders.join(' or ')} holds files`)
  if (status !== 0 && failed.length === 0) failed.push(`${project}: vitest ${why}`)
  return { passed: tally.passed, failed, skipped: tally.skipped }
}

function holdsTests(folder) {
  const path = join(root, folder)
  return existsSync(path) && readdirSync(path, { recursive: true }).some((file) => file.endsWith('.test.ts'))
}

const COLOUR = /\u001b\[[0-9;]*m/g

function noteFigure(line) {
  const figure = /^\s*(promise [\w-]+\b.*)$/.exec(line.replace(COLOUR, ''))?.[1]
  if (figure && !figures.includes(figure)) figures.push(figure)
}

/** Runs Node on `args` in a group of its own, shows its output as it comes, and ends the group when time is up or we are asked to stop. */
function node(args, { env = {}, msMax, onLine = () => {} }) {
  const colour = process.stdout.isTTY && !process.env.NO_COLOR ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' }
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...colour, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  running = child
  let late = false
  const timer = setTimeout(() => {
    late = true
    endGroup(child, 'SIGKILL')
  }, msMax)
  show(child.stdout, process.stdout, onLine)
  show(child.stderr, process.stderr, onLine)
  return new Promise((resolve) => {
    const end = (status, why) => {
      clearTimeout(timer)
      running = undefined
      resolve({ status, why })
    }
    child.once('error', (fault) => end(1, fault.message))
    child.once('close', (status, signal) =>
      end(status ?? 1, late ? `did not end within ${msMax / MINUTE_MS} minutes` : (signal ?? `ended with ${status}`)),
    )
  })
}

function show(stream, sink, onLine) {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text) => {
    sink.write(text)
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    lines.forEach(onLine)
  })
}

function endGroup(child, signal) {
  try {
    process.kill(-child.pid, signal)
  } catch {
    // It ended in this moment.
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    if (running) endGroup(running, 'SIGTERM')
    process.exit(130)
  })
}

function list(title, lines) {
  if (lines.length > 0) process.stdout.write(`\n${title}\n${lines.map((line) => `  ${line}\n`).join('')}`)
}

const names = STEPS.map(({ name }) => name)
const chosen = only ?? (long ? LONG_STEPS : names)
for (const name of chosen) if (!names.includes(name)) usage(`there is no step ${name}`)

const results = []
for (const step of STEPS.filter(({ name }) => chosen.includes(name))) {
  process.stdout.write(`\n── ${step.name} ${'─'.repeat(60 - step.name.length)}\n`)
  const started = performance.now()
  const { passed = 0, failed = [], skipped = [] } = await step.run()
  results.push({ name: step.name, passed, failed, skipped, seconds: (performance.now() - started) / 1000 })
}

const total = (pick) => results.flatMap(pick)
const passed = results.reduce((sum, result) => sum + result.passed, 0)
const failed = total((result) => result.failed)
const skipped = total((result) => result.skipped)
const seconds = results.reduce((sum, result) => sum + result.seconds, 0)

list('Promises', figures.sort())
list(
  'Skipped',
  skipped.map(({ name, why }) => (why ? `${name}: ${why}` : name)),
)
list('Failed', failed)
list(`Steps, on Node ${process.versions.node}`, [
  ...results.map((r) => {
    const counts = `${r.passed} passed, ${r.failed.length} failed${r.skipped.length > 0 ? `, ${r.skipped.length} skipped` : ''}`
    return `${r.name.padEnd(12)} ${r.seconds.toFixed(1).padStart(7)} s   ${counts}`
  }),
  `${'together'.padEnd(12)} ${seconds.toFixed(1).padStart(7)} s`,
])
process.stdout.write(`\n${passed} passed, ${failed.length} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}\n`)
process.exitCode = failed.length === 0 ? 0 : 1
