import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './command-lines.ts'
import { until } from './until.ts'

type Environment = Readonly<Record<string, string>>

export interface Ran {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

export interface Program {
  readonly pid: number
  out(): string
  err(): string
  /** Waits until its output, of either kind, holds this. */
  said(what: RegExp, withinMs?: number): Promise<RegExpExecArray>
  signal(signal: NodeJS.Signals): void
  readonly ended: Promise<Ran>
  /** Ends it, and whatever it started, if it still runs. */
  kill(): Promise<void>
}

export interface ProgramOptions {
  readonly env?: Environment
  readonly cwd?: string
  /** A process group of its own, as a terminal gives it: signals go to all of it. */
  readonly group?: boolean
  readonly input?: string
}

/** Nothing of whoever runs the tests: a variable of theirs must not reach what is tested. */
const PASSED_ON = ['PATH', 'LANG', 'LC_ALL', 'NODE_EXTRA_CA_CERTS'] as const

export interface Scratch {
  readonly dir: string
  /** A home, a place for temporary files, data and ledger of its own. */
  readonly env: Environment
  remove(): void
}

export function scratch(name: string): Scratch {
  const dir = mkdtempSync(join(tmpdir(), `portcullis-${name}-`))
  const env = {
    HOME: dir,
    TMPDIR: dir,
    DATA_DIR: join(dir, 'data'),
    AUDIT_LOG_FILE: join(dir, 'logs', 'audit.log'),
    PORTCULLIS_CONFIG: '/dev/null',
  }
  return { dir, env, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

/** Starts a program as a person does, without their environment. */
export function start(
  command: string,
  args: readonly string[],
  { env = {}, cwd = ROOT, group = false, input }: ProgramOptions = {},
): Program {
  const inherited = Object.fromEntries(PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
  const child = spawn(command, args, { cwd, env: { ...inherited, NO_COLOR: '1', ...env }, detached: group, stdio: 'pipe' })
  const text = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text.out += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text.err += chunk
  })
  child.stdin.on('error', () => {}) // it may end before it has read everything
  child.stdin.end(input ?? '')
  const running = (): boolean => child.exitCode === null && child.signalCode === null
  const send = (signal: NodeJS.Signals): void => {
    if (running()) sendTo(child, group, signal)
  }
  const ended = once(child, 'close').then(([status]: unknown[]) => ({ status: typeof status === 'number' ? status : null, ...text }))
  return {
    pid: child.pid ?? 0,
    out: () => text.out,
    err: () => text.err,
    said: (what, withinMs = 20_000) => heard(text, what, running, withinMs),
    signal: send,
    ended,
    async kill() {
      send('SIGKILL')
      await ended
    },
  }
}

function sendTo(child: ChildProcess, group: boolean, signal: NodeJS.Signals): void {
  if (group && child.pid !== undefined) process.kill(-child.pid, signal)
  else child.kill(signal)
}

/** A program that ended without saying it will never say it: told at once, with what it said instead. */
async function heard(
  text: { readonly out: string; readonly err: string },
  what: RegExp,
  running: () => boolean,
  withinMs: number,
): Promise<RegExpExecArray> {
  const look = (): RegExpExecArray | null => {
    const found = what.exec(text.out) ?? what.exec(text.err)
    if (found === null && !running()) throw new Error(`it ended without saying ${what}:\n${text.out}\n${text.err}`)
    return found
  }
  return until(look, { withinMs, what: `${what} in:\n${text.out}\n${text.err}` })
}

const BUILT = join(ROOT, 'dist', 'cli', 'portcullis.js')

/** The built command, as npm's scripts run it. */
export function startPortcullis(args: readonly string[], options: ProgramOptions = {}): Program {
  if (!existsSync(BUILT)) throw new Error('dist/ is missing: run `npm run build` first')
  return start(process.execPath, [BUILT, ...args], options)
}

export const portcullis = (args: readonly string[], options: ProgramOptions = {}): Promise<Ran> => startPortcullis(args, options).ended

/**
 * Why lines that use these programs cannot be pasted here; '' when they can. Only what every distribution has and no person misses is asked
 * for so; everything else comes from scripts/tools.mjs. On CI nothing is skipped.
 */
export function lackingPrograms(...names: readonly string[]): string {
  if (process.env.CI === 'true') return ''
  const places = (process.env.PATH ?? '').split(':')
  const missing = names.filter((name) => !places.some((place) => existsSync(join(place, name))))
  return missing.length === 0 ? '' : `${missing.join(', ')} not on PATH`
}

/** A line as it is pasted into a shell. */
export const shell = (line: string, options: ProgramOptions = {}): Promise<Ran> => start('sh', ['-c', line], options).ended
