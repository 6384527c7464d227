import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const NEEDED = ['test/run.mjs', 'test/support/tally-reporter.mjs', 'scripts/tools.mjs', 'vitest.config.ts', 'package.json']
const head = "import { expect, test, describe } from 'vitest'\n"

// Everything else is believed because this runner says so, so it must be seen to say the opposite.
describe('the test runner', () => {
  let tree = ''
  beforeEach(() => {
    tree = mkdtempSync(join(tmpdir(), 'portcullis-runner-'))
    for (const file of NEEDED) {
      mkdirSync(dirname(join(tree, file)), { recursive: true })
      cpSync(join(root, file), join(tree, file))
    }
    symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
  })
  afterEach(() => rmSync(tree, { recursive: true, force: true }))

  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(tree, file)), { recursive: true })
    writeFileSync(join(tree, file), text)
  }
  const run = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['test/run.mjs', ...args], { cwd: tree, encoding: 'utf8' })
    return { status, stdout, stderr, last: stdout.trimEnd().split('\n').at(-1) }
  }

  test('counts what passed and ends with the line that programs read', () => {
    write('src/a.test.ts', `${head}test('one', () => {}); test('two', () => {})`)
    write('test/integration/b.test.ts', `${head}test('three', () => {})`)
    expect(run('--only', 'unit,integration')).toMatchObject({ status: 0, last: '3 passed, 0 failed' })
  })

  test('a failing test, a file that does not load, a failing hook and a stray rejection are failures, and hide nothing after them', () => {
    write('src/a.test.ts', `${head}test('bad', () => expect(1).toBe(2)); test('good', () => {})`)
    write('src/b.test.ts', "import './nowhere.ts'\n")
    write(
      'src/c.test.ts',
      `import { beforeAll } from 'vitest'\n${head}beforeAll(() => { throw new Error('hook') }); test('never', () => {})`,
    )
    write(
      'src/d.test.ts',
      `${head}test('stray', async () => { Promise.reject(new Error('stray')); await new Promise((r) => setTimeout(r, 20)) })`,
    )
    write('test/integration/e.test.ts', `${head}test('after', () => {})`)
    const { status, stdout, last } = run('--only', 'unit,integration')
    expect(status).toBe(1)
    for (const line of [
      'src/a.test.ts > bad',
      'src/b.test.ts (the file or a hook)',
      'src/c.test.ts (the file or a hook)',
      '1 errors outside any test',
    ])
      expect(stdout).toContain(line)
    expect(stdout).toMatch(/integration +[\d.]+ s {3}1 passed, 0 failed/)
    expect(last).toMatch(/^3 passed, 4 failed(?:, 1 skipped)?$/)
  })

  test('names what is skipped, with the reason', () => {
    write('src/a.test.ts', `${head}test('good', () => {}); test('later', (t) => t.skip('no strace here')); test.skip('never', () => {})`)
    const { status, stdout, last } = run('--only', 'unit')
    expect({ status, last }).toEqual({ status: 0, last: '1 passed, 0 failed, 2 skipped' })
    expect(stdout).toContain('src/a.test.ts > later: no strace here')
    expect(stdout).toContain('src/a.test.ts > never')
  })

  test('a file without a test, and a golden file that is missing, are failures', () => {
    write('src/a.test.ts', '')
    write('test/integration/b.test.ts', `${head}test('one', async () => { await expect('x').toMatchFileSnapshot('golden/x.txt') })`)
    const { status, stdout } = run('--only', 'unit,integration')
    expect(status).toBe(1)
    expect(stdout).toMatch(/unit +[\d.]+ s {3}0 passed, 1 failed/)
    expect(stdout).toMatch(/integration +[\d.]+ s {3}0 passed, 1 failed/)
  })

  test('a step without files says so', () => {
    const { status, stdout, last } = run('--only', 'unit')
    expect({ status, last }).toEqual({ status: 0, last: '0 passed, 0 failed' })
    expect(stdout).toContain('there are no test files in src or test/docs')
  })

  test('figures of promises become a table', () => {
    write('test/promises/01-a.test.ts', `${head}test('one', () => { process.stdout.write('promise 01: requests 3, violations 0\\n') })`)
    expect(run('--only', 'promises').stdout).toMatch(/\nPromises\n {2}promise 01: requests 3, violations 0\n/)
  })

  test('an unknown step or argument is a usage error', () => {
    expect(run('--only', 'unti').status).toBe(2)
    expect(run('--fast').status).toBe(2)
  })

  test('on CI a tool that cannot be had is a failure, for a person it is a skip with the reason', () => {
    const env = { ...process.env, PORTCULLIS_TOOLS: 'fetch', PATH: join(tree, 'empty') }
    const tools = (ci: string) =>
      spawnSync(process.execPath, ['test/run.mjs', '--only', 'tools'], { cwd: tree, encoding: 'utf8', env: { ...env, CI: ci } })
    // onPath looks into the sbin directories, too, but apt-get is in none of them.
    expect(tools('true').status).toBe(1)
    const person = tools('')
    expect(person.status).toBe(0)
    expect(person.stdout).toMatch(/tests that need strace: strace is not on PATH and could not be fetched: this system has no apt-get/)
  })
})
