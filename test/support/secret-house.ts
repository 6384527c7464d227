import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { type Call, call } from './caller.ts'
import type { Canary, Sink } from './canaries.ts'
import { ROOT } from './command-lines.ts'
import type { GatewayPlace, TestKey } from './gateway.ts'
import type { GatewayProcess } from './gateway-process.ts'
import type { SeenRequest } from './hostile.ts'
import type { Command } from './secret-calls.ts'
import { OWN_FILES } from './secret-scene.ts'
import { until } from './until.ts'

export interface Ran {
  readonly words: readonly string[]
  readonly out: string
  readonly err: string
  readonly status: number
}

/** Files that the gateway keeps, each with the group it belongs to. What is not named here may not be there. */
const DATA_FILES: readonly (readonly [RegExp, string])[] = [
  [/^portcullis\.db(?:-wal|-shm)?$/, 'store'],
  [/^owner\.(?:json|db(?:-journal)?)$/, 'data'],
  [/^ledger\.(?:pub|seal|path)$/, 'data'],
  ...OWN_FILES.map((name) => [new RegExp(`^${name.replace('.', '\\.')}$`), `own ${name}`] as const),
]

/** A gateway in a process of its own, and every place where it may have left something. */
export class SecretHouse {
  readonly sinks: Sink[] = []
  readonly agent = new Agent({ keepAlive: true, maxSockets: 16 })
  readonly #place: GatewayPlace
  readonly #gate: GatewayProcess

  constructor(place: GatewayPlace, gate: GatewayProcess) {
    this.#place = place
    this.#gate = gate
  }

  keep(group: string, name: string, bytes: string | Buffer): void {
    this.sinks.push({ group, name, bytes: Buffer.from(bytes) })
  }

  async runCommands(all: readonly Command[], group = 'cli'): Promise<readonly Ran[]> {
    const env = { PATH: process.env.PATH, HOME: this.#place.dir, ...this.#place.env, PORT: String(this.#gate.port) }
    const child = spawn(process.execPath, ['--import', 'tsx', 'test/support/many-commands.mjs'], {
      cwd: ROOT,
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    child.stdin.end(JSON.stringify(all))
    const ran = JSON.parse(await text(child.stdout)) as Ran[] // printed by our own program
    for (const { words, out, err } of ran)
      this.keep(group, `portcullis ${words.join(' ').slice(0, 40)}`, Buffer.from(`${out}\n${err}`, 'latin1'))
    return ran
  }

  /** So many requests that a segment is finished and compressed. */
  async rotate(asked: Call): Promise<void> {
    const finished = (): boolean => readdirSync(join(this.#place.ledgerFile, '..')).some((name) => name.endsWith('.gz'))
    const once = async (): Promise<void> => {
      const { status } = await call(this.#gate.port, { agent: this.agent, ...asked })
      expect(status).toBe(200)
    }
    for (let round = 0; round < 10 && !finished(); round += 1) await Promise.all(Array.from({ length: 200 }, once))
    await until(finished, { withinMs: 10_000, what: 'a compressed segment' })
  }

  async keepOpenRoutes(): Promise<void> {
    for (const path of ['/', '/health', '/ready', '/status', '/metrics', '/v1/audio/voices', '/v1/audio/models'])
      this.keep('open routes', path, JSON.stringify(await call(this.#gate.port, { path })))
  }

  keepFiles(when: string): void {
    const { dataDir, ledgerFile } = this.#place
    for (const entry of readdirSync(dataDir, { withFileTypes: true })) {
      if (entry.name === 'spool') expect(readdirSync(join(dataDir, 'spool'))).toEqual([])
      if (!entry.isFile()) continue
      const group = DATA_FILES.find(([name]) => name.test(entry.name))?.[1]
      expect(group, `${entry.name} is a file of the data directory that nobody knows`).toBeDefined()
      this.keep(group ?? '', `${entry.name} (${when})`, readFileSync(join(dataDir, entry.name)))
    }
    for (const name of readdirSync(join(ledgerFile, '..'))) {
      const bytes = readFileSync(join(ledgerFile, '..', name))
      this.keep('ledger', `${name} (${when})`, bytes)
      if (name.endsWith('.gz')) this.keep('ledger', `${name} (${when}), inflated`, gunzipSync(bytes))
    }
  }

  /** Its files while it runs and after it has stopped, its command line and all that it wrote. */
  async stopAndKeep(): Promise<void> {
    this.keep('process', 'the command line', readFileSync(`/proc/${this.#gate.pid}/cmdline`))
    this.keepFiles('running')
    await this.#gate.stop()
    this.keepFiles('stopped')
    this.keep('log', 'stdout', this.#gate.out())
    this.keep('log', 'stderr', this.#gate.log())
  }

  keepWhatTheBackendGot(seen: readonly SeenRequest[]): void {
    const got = new Map<string, { readonly heads: string[]; readonly bodies: Buffer[] }>()
    for (const { method, target, rawHeaders, body } of seen) {
      const name = `${method} ${target.split('?')[0]?.slice(0, 40)}`
      const { heads, bodies } = got.get(name) ?? { heads: [], bodies: [] }
      got.set(name, { heads, bodies })
      heads.push(`${target}\n${JSON.stringify(rawHeaders)}`)
      bodies.push(body, Buffer.from('\n'))
    }
    for (const [name, { heads, bodies }] of got) {
      this.keep('backend head', `${name}, lines and headers`, heads.join('\n'))
      this.keep('backend body', `${name}, bodies`, Buffer.concat(bodies))
    }
  }
}

/** Keys made by the owner, whose secrets may be nowhere but where `allowed` says. */
export type MakeKey = (name: string, rights: readonly string[], allowed?: readonly string[]) => Promise<TestKey>

/** A secret that may be somewhere is found there: else it was never said, or the search is blind. */
export const neverFound = (canaries: readonly Canary[], rightly: ReadonlySet<string>): readonly string[] =>
  canaries
    .filter(({ name, allowed }) => allowed.length > 0 && !allowed.some((group) => rightly.has(`${group} ${name}`)))
    .map(({ name }) => name)
