import type { CorridorObserver } from '../gate/index.ts'
import { EXPOSITION_TYPE, exposed, type Family, type Labels, Spread } from './exposition.ts'

export interface MetricSources {
  readonly ledger: () => { lagMs: number; waitingLines: number; ok: boolean }
  readonly argon: () => { inFlight: number; queued: number }
  readonly usage: () => { ok: boolean; behind: number }
}

export interface Metrics extends CorridorObserver {
  text(): string
  readonly contentType: string
}

const SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900]
const STATUS_MAX = 599

/** What a service has done so far, as plain numbers: they are counted for every request, and told when somebody asks. */
class Counts {
  inFlight = 0
  bytesIn = 0
  bytesOut = 0
  readonly statuses = new Float64Array(STATUS_MAX + 1)
  readonly duration = new Spread(SECONDS)
  readonly firstByte = new Spread(SECONDS)

  end(status: number, totalMs: number): void {
    this.inFlight -= 1
    this.statuses[status] = (this.statuses[status] ?? 0) + 1
    this.duration.observe(totalMs / 1_000)
  }
}

/** Prometheus, by service and status and never by key: a label for each key would tell a scraper who there is, and grow without bound. */
export function createMetrics(sources: MetricSources): Metrics {
  const services = new Map<string, Counts>()
  const countsOf = (service: string): Counts => {
    const known = services.get(service)
    if (known !== undefined) return known
    const made = new Counts()
    services.set(service, made)
    return made
  }
  return {
    began: ({ policy }) => {
      countsOf(policy.service).inFlight += 1
    },
    refused: ({ policy }, error, totalMs) => countsOf(policy.service).end(error.status, totalMs),
    ended: ({ policy, bytesIn }, end, totalMs) => {
      const counts = countsOf(policy.service)
      counts.end(end.status, totalMs)
      counts.bytesIn += bytesIn
      counts.bytesOut += end.bytesOut
      if (end.firstByteMs !== undefined) counts.firstByte.observe(end.firstByteMs / 1_000)
    },
    text: () => exposed([...requestFamilies([...services]), ...sourceFamilies(sources)]),
    contentType: EXPOSITION_TYPE,
  }
}

function requestFamilies(services: readonly (readonly [string, Counts])[]): Family[] {
  const each = (read: (counts: Counts, labels: Labels) => Family['samples']) =>
    services.flatMap(([service, counts]) => read(counts, { service }))
  return [
    {
      name: 'portcullis_requests_total',
      help: 'Requests that ended, by service and status; status 0 is a caller who left before there was one',
      type: 'counter',
      samples: each(({ statuses }, labels) =>
        [...statuses.entries()]
          .filter(([, count]) => count > 0)
          .map(([status, value]) => ({ labels: { ...labels, status: String(status) }, value })),
      ),
    },
    {
      name: 'portcullis_request_duration_seconds',
      help: 'From the first header to the recorded end',
      type: 'histogram',
      samples: each(({ duration }, labels) => [{ labels, value: duration }]),
    },
    {
      name: 'portcullis_first_byte_seconds',
      help: 'From dispatch to the first byte of the backend',
      type: 'histogram',
      samples: each(({ firstByte }, labels) => [{ labels, value: firstByte }]),
    },
    {
      name: 'portcullis_bytes_total',
      help: 'Body bytes, by service and direction',
      type: 'counter',
      samples: each(({ bytesIn, bytesOut }, labels) => [
        { labels: { ...labels, direction: 'in' }, value: bytesIn },
        { labels: { ...labels, direction: 'out' }, value: bytesOut },
      ]),
    },
    {
      name: 'portcullis_in_flight',
      help: 'Requests in the corridor',
      type: 'gauge',
      samples: each(({ inFlight }, labels) => [{ labels, value: inFlight }]),
    },
  ]
}

function sourceFamilies({ ledger, argon, usage }: MetricSources): Family[] {
  const { ok, lagMs, waitingLines } = ledger()
  const { inFlight, queued } = argon()
  const accounts = usage()
  const gauge = (name: string, help: string, value: number): Family => ({ name, help, type: 'gauge', samples: [{ value }] })
  return [
    gauge('portcullis_ledger_ok', '1 while the ledger can be written', Number(ok)),
    gauge('portcullis_ledger_lag_seconds', 'How long the oldest line that is not yet on disk has waited', lagMs / 1_000),
    gauge('portcullis_ledger_waiting_lines', 'Lines not yet acknowledged', waitingLines),
    gauge('portcullis_usage_ok', '1 while the accounts follow the ledger', Number(accounts.ok)),
    gauge('portcullis_usage_behind_lines', 'Lines of the ledger that are not in the accounts yet', accounts.behind),
    gauge('portcullis_argon2_in_flight', 'Keys being verified', inFlight),
    gauge('portcullis_argon2_queued', 'Keys waiting to be verified', queued),
    gauge('portcullis_resident_memory_bytes', 'Resident memory of the process', process.memoryUsage.rss()),
  ]
}
