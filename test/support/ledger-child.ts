import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { isBuilt } from './built.ts'
import { ROOT } from './command-lines.ts'
import { until } from './until.ts'

function houseArguments(): string[] {
  const fresh = ['audit', 'kernel', 'contract'].every(isBuilt)
  const house = ['audit', 'kernel'].map((room) => join(ROOT, fresh ? `dist/${room}/index.js` : `src/${room}/index.ts`))
  return [...(fresh ? [] : ['--import', 'tsx']), join(ROOT, 'test/support/ledger-child.mjs'), ...house]
}

const HOUSE = houseArguments()

export interface ChildOptions {
  readonly file: string
  readonly keyDir: string
  readonly sync: 'sync' | 'write'
  readonly rotateMiB: number
  readonly concurrency: number
  /** Longest time between an intent and its outcome. */
  readonly everyMs: number
  /** Begins the request ids. */
  readonly tag: string
  /** A program and its arguments that run the child, such as strace. */
  readonly under?: readonly string[]
}

/** A process that writes to a ledger until it is stopped or killed, and what it said. */
export class LedgerChild {
  readonly acknowledged: string[] = []
  readonly rejected: string[] = []
  /** When the ledger became unwritable (false) and writable (true), in order. */
  readonly states: { readonly ok: boolean; readonly atMs: number }[] = []
  ready = false
  done = false
  ended: { readonly code: number | null; readonly signal: string | null } | null = null
  errors = ''
  readonly #process: ChildProcess

  constructor({ under = [], ...options }: ChildOptions) {
    const [program = '', ...args] = [...under, process.execPath, ...HOUSE, JSON.stringify(options)]
    this.#process = spawn(program, args, { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'] })
    const { stdout, stderr } = this.#process
    if (stdout) createInterface({ input: stdout }).on('line', (line) => this.#hear(line))
    stderr?.on('data', (text) => {
      this.errors += text
    })
    this.#process.on('close', (code, signal) => {
      this.ended = { code, signal }
    })
  }

  get faults(): number {
    return this.states.filter((s) => !s.ok).length
  }

  async stop(withinMs = 20_000): Promise<void> {
    this.#process.stdin?.write('stop\n')
    await until(() => this.ended, { withinMs, what: `the child to stop (${this.errors.slice(-500)})` })
    if (!this.done) throw new Error(`the child ended early: ${JSON.stringify(this.ended)} ${this.errors}`)
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await until(() => this.ended, { withinMs: 10_000, what: 'the killed child to be gone' })
  }

  #hear(line: string): void {
    const [word, rest = ''] = line.split(' ')
    if (word === 'a') this.acknowledged.push(rest)
    else if (word === 'r') this.rejected.push(rest)
    else if (word === 's') this.states.push({ ok: rest === '1', atMs: performance.now() })
    else if (word === 'ready') this.ready = true
    else if (word === 'done') this.done = true
  }
}
