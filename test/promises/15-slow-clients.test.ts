import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { call, generate } from '../support/caller.ts'
import { type GatewayPlace, gatewayPlace, type LedgerRecord, readRecords, startTestGateway, verifyPlace } from '../support/gateway.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { type SlowCallers, type SlowCount, slowCallers } from '../support/slow-callers.ts'
import { ONE_OBJECT, type TextBackend, textBackend } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const CALL_EVERY_MS = 20
const CALM_MS = 1_500
const ATTACKED_MS = 5_000
const HEADERS_SHED_MS_MAX = 12_000
/** Half a minute of silence, and the looks of src/http/pace.ts, which come every 15 s. */
const BODIES_SHED_MS_MAX = 60_000
/** A minute without reading, and the sweep. */
const READERS_SHED_MS_MAX = 75_000
const P99_MS_MAX = 150
const MEMORY_MIB_MAX = 400

const textOf = (file: string, line: RegExp): number => Number(line.exec(readFileSync(file, 'utf8'))?.[1] ?? 0)
/** Node has raised its own limit to the hard one; a gate of the same user gets no more. */
const FILES = textOf('/proc/self/limits', /^Max open files\s+\S+\s+(\d+)/m) || 1_048_576
/** The process of the attackers needs a file for each connection, the gate another one for each reader, and keeps half of its own for that. */
const PER_KIND = Math.min(1_000, Math.floor(FILES / 8))
/** Each of these makes the kernel hold 4 MiB and more, and it has a bound for all TCP of the machine, which is not only ours. */
const LARGE = Math.min(LONG ? 100 : 30, PER_KIND)

let callers: SlowCallers
let upstream: TextBackend
let place: GatewayPlace
let gate: GatewayProcess
let good: string
let slow: string
let stopped = false

beforeAll(async () => {
  ;[callers, upstream] = await Promise.all([slowCallers(), textBackend()])
  const made = gatewayPlace()
  const file = join(made.dir, 'portcullis.yaml')
  writeFileSync(file, `services:\n  slow:\n    url: ${callers.url}\n    routes: ['POST /small', 'POST /large']\n`)
  place = { ...made, env: { ...made.env, OLLAMA_URL: upstream.url, PORTCULLIS_CONFIG: file, LOG_LEVEL: 'info' } }
  const before = await startTestGateway({}, place)
  ;[good, slow] = await Promise.all([
    before.key().then(({ text }) => text),
    // Exactly as many places as the attackers take: one that is lost will be missed.
    before.key({ rights: ['all', 'use:slow'], concurrency: 2 * PER_KIND }).then(({ text }) => text),
  ])
  await before.stop({ keep: true })
  gate = await startGatewayProcess(place)
})
afterAll(async () => {
  agent.destroy()
  if (!stopped) gate.signal('SIGKILL')
  await callers.close()
  await upstream.close()
  place.remove()
})

const agent = new Agent({ keepAlive: true, maxSockets: 50 })

/** Answers of the good caller that are not what they should be. */
const wrong: string[] = []

/** A caller who calls every few milliseconds. A call is counted from the moment it was due, so that a gate which is held up cannot hide it. */
async function callWell(isOver: () => boolean): Promise<number[]> {
  const took: number[] = []
  const asked: Promise<void>[] = []
  for (let due = performance.now(); !isOver(); due += CALL_EVERY_MS) {
    const early = due - performance.now()
    if (early > 0) await wait(Math.ceil(early))
    asked.push(
      call(gate.port, generate(good, { stream: false }, { agent })).then(({ status, body }) => {
        if (status !== 200 || body !== ONE_OBJECT) wrong.push(`${status} ${body}`)
        took.push(performance.now() - due)
      }),
    )
  }
  await Promise.all(asked)
  return took
}

const during = (ms: number): Promise<number[]> => {
  const end = performance.now() + ms
  return callWell(() => performance.now() > end)
}

const p99 = (took: readonly number[]): number => [...took].sort((a, b) => a - b)[Math.floor(took.length * 0.99)] ?? 0
const openFiles = (): number => readdirSync(`/proc/${gate.pid}/fd`).length

/** Requests in the corridor, of both services or one. */
async function inFlight(service = 'chat|slow'): Promise<number> {
  const { body } = await call(gate.port, { path: '/metrics' })
  const gauges = [...body.matchAll(new RegExp(`^portcullis_in_flight\\{service="(?:${service})"\\} (\\d+)$`, 'gm'))]
  return gauges.reduce((sum, [, value]) => sum + Number(value), 0)
}

/** Connections that only wait for the good caller's next call. */
async function letGo(): Promise<void> {
  agent.destroy()
  for (const socket of upstream.sockets) socket.destroy()
  await until(() => upstream.sockets.size === 0, { withinMs: 2_000, what: 'idle connections to be closed' })
}

interface State {
  readonly files: number
  readonly inFlight: number
  readonly rssMiB: number
}
const state = async (): Promise<State> => ({ files: openFiles(), inFlight: await inFlight(), rssMiB: gate.rssMiB() })

async function shed(kind: 'headers' | 'bodies', count: number, withinMs: number): Promise<SlowCount> {
  return until(
    async () => {
      const seen = await callers.count()
      return seen[kind].closed >= count ? seen : null
    },
    { withinMs, what: `${count} slow ${kind} to be shed` },
  )
}

/** How often the ledger says this of slow callers: in lines of their own, and in summaries. */
function recorded(records: readonly LedgerRecord[], code: string): number {
  let count = 0
  for (const line of records) {
    if (line.event === 'refused' && line.code === code) count += 1
    if (line.event !== 'refused_summary') continue
    const { samples, count: more } = line as LedgerRecord & { samples: { code: string }[]; count: number } // its own schema says so
    if (samples.some((sample) => sample.code === code)) count += more
  }
  return count
}

const ms = (value: number): string => `${value.toFixed(1)} ms`

describe('promise 15: slow callers cannot take the service', () => {
  it(`with ${PER_KIND} half-open headers, as many slow bodies, and as many who do not read`, {
    timeout: LONG ? 240_000 : 60_000,
  }, async () => {
    await during(200) // the key is verified, and connections stand
    const calm = await during(CALM_MS)
    await letGo()
    const before = await state()

    let over = false
    const attackedMs = performance.now()
    const attacked = callWell(() => over)
    await callers.begin({ port: gate.port, key: slow, perKind: PER_KIND, large: LARGE })
    await until(async () => (await inFlight()) >= 2 * PER_KIND, { withinMs: 15_000, what: 'all slow callers to be in' })
    const filledMs = performance.now() - attackedMs
    await until(async () => (await inFlight('chat')) <= PER_KIND + 2, { withinMs: 10_000, what: 'what waited meanwhile to be answered' })
    const steady = during(ATTACKED_MS)
    const full = await state()
    expect(full.files).toBeGreaterThan(2 * PER_KIND)
    // All places of their key are taken, by them alone.
    expect(await call(gate.port, generate(slow))).toMatchObject({ status: 429 })
    const steadyTook = await steady

    const afterHeaders = await shed('headers', PER_KIND, 2 * HEADERS_SHED_MS_MAX)
    const peakMiB = gate.rssMiB()
    if (LONG) {
      await shed('bodies', PER_KIND, BODIES_SHED_MS_MAX)
      expect((await callers.count()).bodies.statuses).toEqual({ 408: PER_KIND })
      // Whoever does not read does not see the end of the connection either, so that only the gate knows.
      const left = PER_KIND - LARGE
      const shedAll = async (): Promise<boolean> => (await inFlight('slow')) === left
      await until(shedAll, { withinMs: READERS_SHED_MS_MAX, what: 'readers who stand still to be shed' })
    } else {
      expect(afterHeaders).toMatchObject({ bodies: { open: PER_KIND }, readers: { open: PER_KIND } })
    }
    over = true
    const took = await attacked
    await callers.leave()

    await until(async () => (await inFlight()) === 0, { withinMs: 5_000, what: 'every place to be given back' })
    expect(await call(gate.port, generate(slow))).toMatchObject({ status: 200 })
    await letGo()
    // The ledger may have opened a segment, and a look at the metrics is a connection.
    await until(() => openFiles() <= before.files + 4, { withinMs: 10_000, what: `the ${before.files} files of before` })
    const after = await state()
    await gate.stop()
    stopped = true

    const { headers } = afterHeaders
    process.stdout.write(
      `promise 15: ${PER_KIND} half-open headers shed after at most ${(headers.slowestMs / 1_000).toFixed(1)} s beside ${PER_KIND} slow bodies and ${PER_KIND} slow readers, ` +
        `all in after ${(filledMs / 1_000).toFixed(1)} s; good caller p99 ${ms(p99(calm))} without, ${ms(p99(steadyTook))} with them, ${ms(p99(took))} from their first to their last ` +
        `(${took.length} calls, none refused); memory ${before.rssMiB.toFixed(0)}, ${peakMiB.toFixed(0)}, ${after.rssMiB.toFixed(0)} MiB, ` +
        `files ${before.files}, ${full.files}, ${after.files}, in flight ${full.inFlight}, ${after.inFlight} (before, with, after)\n`,
    )
    expect(wrong).toEqual([])
    expect(headers.statuses).toEqual({ 408: PER_KIND })
    expect(headers.slowestMs).toBeLessThan(2 * HEADERS_SHED_MS_MAX)
    expect(p99(steadyTook)).toBeLessThan(P99_MS_MAX + 2 * p99(calm))
    expect(peakMiB).toBeLessThan(MEMORY_MIB_MAX)

    await verifyPlace(place) // no request without an end
    const records = readRecords(place.ledgerFile)
    const endings = records.filter(({ event, service }) => event === 'outcome' && service === 'slow').map(({ ended }) => String(ended))
    expect(recorded(records, 'HEADERS_TOO_SLOW')).toBe(PER_KIND)
    expect(recorded(records, LONG ? 'BODY_TOO_SLOW' : 'BODY_INCOMPLETE')).toBe(PER_KIND)
    expect(endings.filter((end) => end === 'client_stalled').length).toBe(LONG ? LARGE : 0)
    expect(endings.filter((end) => end === 'client_closed').length).toBe(LONG ? PER_KIND - LARGE : PER_KIND)
  })
})
