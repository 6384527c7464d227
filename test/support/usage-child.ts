import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { isBuilt } from './built.ts'
import { ROOT } from './command-lines.ts'
import type { LedgerPlace } from './ledger.ts'
import { until } from './until.ts'

const ROOMS = ['audit', 'kernel', 'storage', 'usage'] as const
const BUILT = [...ROOMS, 'contract', 'files'].every(isBuilt)
const modules = Object.fromEntries(ROOMS.map((room) => [room, join(ROOT, BUILT ? `dist/${room}/index.js` : `src/${room}/index.ts`)]))

export interface UsageChildOptions {
  readonly sync: 'sync' | 'write'
  readonly rotateMiB: number
  readonly callers: number
  /** Begins the request ids. */
  readonly tag: string
  readonly keys: Readonly<Record<string, string>>
}

/** A process that keeps accounts until it is killed. */
export class UsageChild {
  ready = false
  outcomes = 0
  ended = false
  errors = ''
  readonly #process: ChildProcess

  constructor({ file, keyDir }: Pick<LedgerPlace, 'file' | 'keyDir'>, options: UsageChildOptions) {
    const text = JSON.stringify({ modules, file, keyDir, ...options })
    const args = [...(BUILT ? [] : ['--import', 'tsx']), join(ROOT, 'test/support/usage-child.mjs'), text]
    this.#process = spawn(process.execPath, args, { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'] })
    const { stdout, stderr } = this.#process
    if (stdout) createInterface({ input: stdout }).on('line', (line) => this.#hear(line))
    stderr?.on('data', (text) => {
      this.errors += text
    })
    this.#process.on('close', () => {
      this.ended = true
    })
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await until(() => this.ended, { withinMs: 10_000, what: 'the killed child to be gone' })
  }

  #hear(line: string): void {
    const [word, ...rest] = line.split(' ')
    if (word === 'ready') this.ready = true
    else if (word === 'n') this.outcomes = Number(rest[0])
    else if (word === 'e') this.errors += `${rest.join(' ')}\n`
  }
}
