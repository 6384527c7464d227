import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { disowns, owns } from './cleanup.mjs'

/** What is measured has a core to itself; whoever measures, and the backend, share the other. */
export const SUBJECT_CORE = 0
export const BENCH_CORE = 1

const canPin = availableParallelism() >= 2 && spawnSync('taskset', ['-c', '0', 'true']).status === 0
export const pinning = canPin ? `taskset: subject on core ${SUBJECT_CORE}, load and backend on core ${BENCH_CORE}` : 'not pinned'

/** `taskset` becomes the program itself, so the id stays the one that was started. */
export const pinned = (core, command, args) =>
  canPin && core !== null ? ['taskset', ['-c', String(core), command, ...args]] : [command, args]

/**
 * Starts a program and waits until its port takes connections.
 * @param {{name: string, command: string, args: string[], port?: number, core?: number | null, env?: Record<string, string>, cwd?: string, withinMs?: number}} what
 */
export async function start({ name, command, args, port, core = SUBJECT_CORE, env = {}, cwd, withinMs = 20_000 }) {
  const [program, words] = pinned(core, command, args)
  const startedAt = performance.now()
  const child = spawn(program, words, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = []
  const keep = (text) => {
    said.push(text)
    if (said.length > 200) said.shift()
  }
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', keep)
  child.once('error', (fault) => keep(fault.message))
  if (child.pid !== undefined) owns(child.pid)
  const ended = new Promise((resolve) => child.once('close', resolve))
  const running = {
    name,
    pid: child.pid,
    port,
    said: () => said.join(''),
    get over() {
      return child.exitCode !== null || child.signalCode !== null
    },
    /** Waits for a clean end; ends it by force after 10 s. */
    async stop(signal = 'SIGTERM') {
      if (!running.over) {
        child.kill(signal)
        const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
        await ended
        clearTimeout(late)
      }
      disowns(child.pid)
    },
    listeningMs: 0,
  }
  if (port !== undefined) {
    try {
      await untilListening(port, running, withinMs)
    } catch (fault) {
      await running.stop('SIGKILL')
      throw fault
    }
    running.listeningMs = performance.now() - startedAt
  }
  return running
}

async function untilListening(port, running, withinMs) {
  const endMs = performance.now() + withinMs
  while (performance.now() < endMs) {
    if (running.over) throw new Error(`${running.name} ended before it listened: ${running.said().slice(-2_000)}`)
    if (await answers(port)) return
    await pause(2)
  }
  throw new Error(`${running.name} did not listen within ${withinMs} ms: ${running.said().slice(-2_000)}`)
}

async function answers(port) {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** Runs a program to its end and gives what it printed. */
export async function run(command, args, { core = null, env = {}, cwd, msMax = 120_000, onText = () => {} } = {}) {
  const [program, words] = pinned(core, command, args)
  const startedAt = performance.now()
  const child = spawn(program, words, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  if (child.pid !== undefined) owns(child.pid)
  const late = setTimeout(() => child.kill('SIGKILL'), msMax)
  const out = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      out[name] += text
      onText(text)
    })
  }
  const status = await new Promise((resolve) => {
    child.once('error', (fault) => {
      out.stderr += fault.message
      resolve(127)
    })
    child.once('close', (code) => resolve(code ?? 1))
  })
  clearTimeout(late)
  disowns(child.pid)
  return { ...out, status, ms: performance.now() - startedAt }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export async function freePort() {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

const TICKS_PER_S = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100

/** Seconds of processor time that a process has used, all its threads together. */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // the name may hold spaces and brackets
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S
}

const IDLE_EVERY_MS = 250
const IDLE_MS_MAX = 30_000

/** Waits until a program has next to nothing left to do. */
export async function idle(pid) {
  const until = performance.now() + IDLE_MS_MAX
  for (let before = cpuSeconds(pid); ; ) {
    await pause(IDLE_EVERY_MS)
    const now = cpuSeconds(pid)
    if (now - before <= (IDLE_EVERY_MS / 1_000) * 0.1 || performance.now() > until) return
    before = now
  }
}

function status(pid, field) {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1]) / 1024
}

export const rssMiB = (pid) => status(pid, 'VmRSS')

/** Highest resident memory since `forgetPeak`, as the kernel counted it: sampling would miss a peak. */
export const peakMiB = (pid) => status(pid, 'VmHWM')
export const forgetPeak = (pid) => writeFileSync(`/proc/${pid}/clear_refs`, '5')
