import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { CorridorObserver } from '../gate/index.ts'

export interface MetricSources {
  readonly ledger: () => { lagMs: number; waitingLines: number; ok: boolean }
  readonly argon: () => { inFlight: number; queued: number }
}

export interface Metrics extends CorridorObserver {
  text(): Promise<string>
  readonly contentType: string
}

const SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900]

/** Prometheus, by service and status and never by key: a label for each key would tell a scraper who there is, and grow without bound. */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const labelNames = ['service', 'status'] as const
  const requests = new Counter({
    name: 'portcullis_requests_total',
    help: 'Requests that ended, by service and status',
    labelNames,
    registers,
  })
  const duration = new Histogram({
    name: 'portcullis_request_duration_seconds',
    help: 'From the first header to the recorded end',
    labelNames: ['service'],
    buckets: SECONDS,
    registers,
  })
  const firstByte = new Histogram({
    name: 'portcullis_first_byte_seconds',
    help: 'From dispatch to the first byte of the backend',
    labelNames: ['service'],
    buckets: SECONDS,
    registers,
  })
  const bytes = new Counter({
    name: 'portcullis_bytes_total',
    help: 'Body bytes, by service and direction',
    labelNames: ['service', 'direction'],
    registers,
  })
  const inFlight = new Gauge({ name: 'portcullis_in_flight', help: 'Requests in the corridor', labelNames: ['service'], registers })
  addSources(sources, registers)

  // Children are looked up once: resolving labels by name is most of what a count costs.
  const services = new Map<string, ServiceMeters>()
  const metersOf = (service: string): ServiceMeters => {
    const known = services.get(service)
    if (known) return known
    const made: ServiceMeters = {
      began: inFlight.labels(service),
      duration: duration.labels(service),
      firstByte: firstByte.labels(service),
      bytesIn: bytes.labels(service, 'in'),
      bytesOut: bytes.labels(service, 'out'),
      statuses: new Map(),
    }
    services.set(service, made)
    return made
  }
  const count = (service: string, status: number, totalMs: number): ServiceMeters => {
    const meters = metersOf(service)
    let child = meters.statuses.get(status)
    if (child === undefined) {
      child = requests.labels(service, String(status))
      meters.statuses.set(status, child)
    }
    child.inc()
    meters.began.dec()
    meters.duration.observe(totalMs / 1_000)
    return meters
  }

  return {
    began: ({ policy }) => metersOf(policy.service).began.inc(),
    refused: ({ policy }, error, totalMs) => void count(policy.service, error.status, totalMs),
    ended: ({ policy, bytesIn }, end, totalMs) => {
      const meters = count(policy.service, end.status, totalMs)
      if (bytesIn > 0) meters.bytesIn.inc(bytesIn)
      if (end.bytesOut > 0) meters.bytesOut.inc(end.bytesOut)
      if (end.firstByteMs !== undefined) meters.firstByte.observe(end.firstByteMs / 1_000)
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

interface ServiceMeters {
  readonly began: Gauge.Internal<string>
  readonly duration: Histogram.Internal<'service'>
  readonly firstByte: Histogram.Internal<'service'>
  readonly bytesIn: Counter.Internal
  readonly bytesOut: Counter.Internal
  readonly statuses: Map<number, Counter.Internal>
}

/** Read when scraped, so that they cost nothing in between. */
function addSources({ ledger, argon }: MetricSources, registers: Registry[]): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
  gauge('portcullis_ledger_ok', '1 while the ledger can be written', () => Number(ledger().ok))
  gauge('portcullis_ledger_lag_seconds', 'Time the newest acknowledged batch took to reach the disk', () => ledger().lagMs / 1_000)
  gauge('portcullis_ledger_waiting_lines', 'Lines not yet acknowledged', () => ledger().waitingLines)
  gauge('portcullis_argon2_in_flight', 'Keys being verified', () => argon().inFlight)
  gauge('portcullis_argon2_queued', 'Keys waiting to be verified', () => argon().queued)
  gauge('portcullis_resident_memory_bytes', 'Resident memory of the process', () => process.memoryUsage.rss())
}
