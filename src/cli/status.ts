import Table from 'cli-table3'
import { Command } from 'commander'
import pc from 'picocolors'
import { z } from 'zod'
import { loadConfig } from '../config.ts'
import { visible } from '../kernel/index.ts'
import { EXIT, Exit, say } from './terminal.ts'

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

export function statusCommand(): Command {
  return new Command('status').description('what the running gateway and its backends say').option('--json', 'as JSON').action(showStatus)
}

async function showStatus({ json = false }: { json?: boolean }): Promise<void> {
  const { host, port } = loadConfig()
  const url = `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${port}/status`
  const answer = await fetch(url).catch((cause: unknown) => {
    throw new Error(`no gateway answers at ${url}; is it running, and on that port?`, { cause })
  })
  const body: unknown = await answer.json()
  if (!answer.ok) throw new Exit(EXIT.unavailable, `${url} answered ${answer.status}: ${visible(JSON.stringify(body))}`)
  if (json) return say.out(JSON.stringify(body, null, 2))
  const status = statusAnswer.parse(body)
  say.out(
    `portcullis ${status.version}, ${status.ready ? pc.green('ready') : pc.red(`not ready: ${status.why}`)}, up ${status.uptime_seconds} s, ${status.in_flight} in flight`,
  )
  const table = new Table({ head: ['service', 'backend', 'state', 'latency', 'since'], style: { head: [], border: [] } })
  for (const backend of status.backends) {
    const state = backend.up === null ? 'not asked yet' : backend.up ? pc.green('up') : pc.red('down')
    table.push([
      backend.service,
      visible(backend.url),
      state,
      backend.latency_ms === null ? '-' : `${backend.latency_ms} ms`,
      backend.since ?? '-',
    ])
  }
  say.out(table.toString())
  for (const { service, note } of status.backends) if (note !== '') say.out(`${service}: ${visible(note)}`)
}
