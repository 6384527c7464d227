import { lookup } from 'node:dns/promises'
import { type RequestOptions, request } from 'node:http'
import { text } from 'node:stream/consumers'
import Table from 'cli-table3'
import { Command } from 'commander'
import pc from 'picocolors'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { own, visible } from '../kernel/index.ts'
import { loadOrExplain } from './explain.ts'
import { EXIT, Exit, say } from './terminal.ts'

const ANSWER_MS_MAX = 5_000

const backendAnswer = {
  url: z.string(),
  up: z.boolean().nullable(),
  latency_ms: z.number().nullable(),
  since: z.string().nullable(),
  note: z.string(),
  in_flight: z.number(),
  waiting: z.number(),
  passed_over: z.object({ why: z.string(), times: z.number(), last: z.string() }).nullable(),
}

const statusAnswer = z.object({
  version: z.string(),
  ready: z.boolean(),
  why: z.string(),
  uptime_seconds: z.number(),
  in_flight: z.number(),
  accounts: z.object({ ok: z.boolean(), behind: z.number(), fault: z.string().nullable() }),
  backends: z.array(z.object({ service: z.string(), ...backendAnswer })),
  endpoints: z.array(
    z.object({
      endpoint: z.string(),
      ...backendAnswer,
      active: z.boolean(),
      priority: z.number(),
      breaker: z.enum(['closed', 'open', 'half-open']),
    }),
  ),
})
type Status = z.infer<typeof statusAnswer>

export function statusCommand(): Command {
  return new Command('status').description('what the running gateway and its backends say').option('--json', 'as JSON').action(showStatus)
}

async function showStatus({ json = false }: { json?: boolean }): Promise<void> {
  const { body, status } = await askStatus(urlOf(loadOrExplain()))
  say.out(json ? JSON.stringify(body, null, 2) : presentStatus(status).join('\n'))
  if (!status.ready) process.exitCode = EXIT.negative
}

/** Where the gateway listens for everybody it is asked at loopback. */
function urlOf({ host, port }: Config): URL {
  const everywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }
  return new URL(`http://${own(everywhere, host) ?? (host.includes(':') ? `[${host}]` : host)}:${port}/status`)
}

async function askStatus(url: URL): Promise<{ body: unknown; status: Status }> {
  const { code, text } = await askGateway(url)
  const body = jsonOf(text)
  if (code === 401 || code === 403) {
    throw new Exit(
      EXIT.unavailable,
      `${url} answered ${code}: seen from there we are not loopback, and others need a key with the right observe.`,
    )
  }
  const status = statusAnswer.safeParse(body)
  if (code !== 200 || !status.success) throw new Exit(EXIT.unavailable, `What answers at ${url} (status ${code}) is not this gateway.`)
  return { body, status: status.data }
}

interface Said {
  readonly code: number
  readonly text: string
}

/**
 * /status is open to a neighbour: a peer on loopback that calls this machine localhost. The kernel takes an address of this machine's own from there
 * too, so a gateway that listens on one alone is asked from loopback as well. Whoever asks another machine cannot be a neighbour, and asks as he is.
 */
async function askGateway(url: URL): Promise<Said> {
  try {
    const { address, family } = await lookup(url.hostname.replace(/^\[|\]$/g, ''))
    const asked = { host: address, port: url.port, path: url.pathname }
    return await answerTo({ ...asked, localAddress: LOOPBACK[family] ?? '127.0.0.1', headers: { host: `localhost:${url.port}` } }).catch(
      (error: unknown) => {
        if (isRefused(error)) throw error
        return answerTo({ ...asked, headers: { host: url.host } })
      },
    )
  } catch (error) {
    throw new Exit(EXIT.unavailable, `No gateway answers at ${url} (${say.reason(error)}). Is it running, and on that port?`)
  }
}

const LOOPBACK: Readonly<Record<number, string>> = { 4: '127.0.0.1', 6: '::1' }
const isRefused = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED'

function answerTo(asked: RequestOptions): Promise<Said> {
  return new Promise((resolve, reject) => {
    request({ ...asked, agent: false, signal: AbortSignal.timeout(ANSWER_MS_MAX) }, (answer) => {
      text(answer).then((body) => resolve({ code: answer.statusCode ?? 0, text: body }), reject)
    })
      .on('error', reject)
      .end()
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function presentStatus({ version, ready, why, uptime_seconds, in_flight, accounts, backends, endpoints }: Status): readonly string[] {
  const state = ready ? pc.green('ready') : pc.red(`not ready: ${visible(why)}`)
  // Our own question is one of those in flight.
  return [
    `portcullis ${visible(version)}, ${state}, up ${duration(uptime_seconds)}, ${Math.max(0, in_flight - 1)} in flight`,
    table(
      'service',
      backends.map((backend) => [backend.service, ...cells(backend, upWord(backend))]),
    ),
    ...(endpoints.length === 0 ? [] : [endpointTable(endpoints)]),
    ...accountsText(accounts),
    ...backends.filter(({ note }) => note !== '').map(({ service, note }) => `${service}: ${visible(note)}`),
    ...backends.flatMap((backend) => passedOverText(backend.service, backend)),
    ...endpoints.filter(({ note, active }) => note !== '' && active).map(({ endpoint, note }) => `${visible(endpoint)}: ${visible(note)}`),
    ...endpoints.flatMap((endpoint) => passedOverText(endpoint.endpoint, endpoint)),
  ]
}

/** Requests that might have been served there, and were not; the ledger tells it of each of them. */
function passedOverText(name: string, { passed_over }: Pick<Endpoint, 'passed_over'>): readonly string[] {
  if (passed_over === null) return []
  const { why, times, last } = passed_over
  return [`${visible(name)}: passed over ${times === 1 ? 'once' : `${times} times`}, the last at ${timeOf(last)}: ${visible(why)}`]
}

/** A busy gateway is always a moment ahead of its accounts. */
const BEHIND_TOLD_MIN = 1_000

function accountsText({ ok, behind, fault }: Status['accounts']): readonly string[] {
  const lines = `${behind} ${behind === 1 ? 'line' : 'lines'} of the ledger`
  if (!ok) return [`${pc.red('the accounts stand still')}, ${lines} behind: ${visible(fault ?? 'no reason was given')}`]
  return behind < BEHIND_TOLD_MIN ? [] : [pc.yellow(`the accounts are ${lines} behind`)]
}

type Backend = Pick<Status['backends'][number], 'url' | 'up' | 'latency_ms' | 'since' | 'in_flight' | 'waiting'>
type Endpoint = Status['endpoints'][number]

const upWord = ({ up }: Backend): string => (up === null ? 'not asked yet' : up ? pc.green('up') : pc.red('down'))

/** An endpoint that requests do not go to says why, whatever health checks say of it. */
function endpointWord(endpoint: Endpoint): string {
  if (!endpoint.active) return pc.dim('switched off')
  if (endpoint.breaker === 'open') return pc.red('left alone: it failed')
  return endpoint.breaker === 'half-open' ? pc.yellow('on trial') : upWord(endpoint)
}

const cells = ({ url, latency_ms, since, in_flight, waiting }: Backend, state: string): readonly string[] => [
  visible(url),
  state,
  latency_ms === null ? '-' : `${latency_ms} ms`,
  since === null ? '-' : timeOf(since),
  waiting === 0 ? String(in_flight) : `${in_flight}, ${waiting} waiting`,
]

function table(first: string, rows: readonly (readonly string[])[], ...more: readonly string[]): string {
  const drawn = new Table({ head: [first, 'backend', 'state', 'latency', 'since', 'requests', ...more], style: { head: [], border: [] } })
  for (const row of rows) drawn.push([...row])
  return drawn.toString()
}

const endpointTable = (endpoints: readonly Endpoint[]): string =>
  table(
    'endpoint',
    endpoints.map((one) => [visible(one.endpoint), ...cells(one, endpointWord(one)), String(one.priority)]),
    'priority',
  )

const timeOf = (iso: string): string => `${visible(iso).slice(0, 19).replace('T', ' ')} UTC`

function duration(seconds: number): string {
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24, Math.floor(seconds / 60) % 60]
  if (days > 0) return `${days} d ${hours} h`
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`
}
