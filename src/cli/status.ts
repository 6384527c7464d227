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

const statusAnswer = z.object({
  version: z.string(),
  ready: z.boolean(),
  why: z.string(),
  uptime_seconds: z.number(),
  in_flight: z.number(),
  backends: z.array(
    z.object({
      service: z.string(),
      url: z.string(),
      up: z.boolean().nullable(),
      latency_ms: z.number().nullable(),
      since: z.string().nullable(),
      note: z.string(),
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

function presentStatus({ version, ready, why, uptime_seconds, in_flight, backends }: Status): readonly string[] {
  const state = ready ? pc.green('ready') : pc.red(`not ready: ${visible(why)}`)
  const table = new Table({ head: ['service', 'backend', 'state', 'latency', 'since'], style: { head: [], border: [] } })
  for (const { service, url, up, latency_ms, since } of backends) {
    const word = up === null ? 'not asked yet' : up ? pc.green('up') : pc.red('down')
    table.push([service, visible(url), word, latency_ms === null ? '-' : `${latency_ms} ms`, since === null ? '-' : timeOf(since)])
  }
  // Our own question is one of those in flight.
  return [
    `portcullis ${visible(version)}, ${state}, up ${duration(uptime_seconds)}, ${Math.max(0, in_flight - 1)} in flight`,
    table.toString(),
    ...backends.filter(({ note }) => note !== '').map(({ service, note }) => `${service}: ${visible(note)}`),
  ]
}

const timeOf = (iso: string): string => `${visible(iso).slice(0, 19).replace('T', ' ')} UTC`

function duration(seconds: number): string {
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24, Math.floor(seconds / 60) % 60]
  if (days > 0) return `${days} d ${hours} h`
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`
}
