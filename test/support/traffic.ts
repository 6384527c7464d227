import type { IntentEntry, OutcomeEntry, RefusedEntry } from '../../src/contract/index.ts'
import { asTenantId } from '../../src/kernel/index.ts'
import { LedgerLines } from './ledger-lines.ts'
import { Random } from './random.ts'

export const MINUTE_MS = 60_000
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

export interface Person {
  readonly user: string
  readonly key: string
}

type Happening =
  | { readonly atMs: number; readonly what: 'intent'; readonly entry: IntentEntry }
  | { readonly atMs: number; readonly what: 'outcome'; readonly entry: OutcomeEntry }
  | { readonly atMs: number; readonly what: 'refused'; readonly entry: RefusedEntry }

const ROUTES = [
  ['chat', '/chat/api/generate', 'llama3.2:3b', 4_000],
  ['chat', '/chat/api/chat', 'qwen3:8b', 6_000],
  ['chat', '/chat/api/embed', 'nomic-embed-text', 120],
  ['tts', '/tts/api/speak', '', 900],
  ['image', '/image/api/generate/simple', 'sd15', 14_000],
  ['whisper', '/whisper/api/transcribe', 'base', 3_500],
] as const

/** Collects what people and programs do, in any order, and writes it as a gate would have: in time's order, refusals beyond the bound as summaries. */
export class Traffic {
  readonly random: Random
  readonly #happenings: Happening[] = []
  #requests = 0

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  person(user: string): Person {
    return { user, key: this.random.base62(12) }
  }

  /** A request that was let through. */
  carried(atMs: number, who: Person, address: string, more: Partial<OutcomeEntry> = {}): void {
    const { random } = this
    const [service, route, model, medianMs] = random.of(ROUTES)
    const about: IntentEntry = {
      request: this.#id(),
      tenant: 'default',
      kind: 'key',
      user: who.user,
      key: who.key,
      address,
      method: 'POST',
      route,
      service,
      agent: 'python-requests/2.32',
      ...(model === '' ? {} : { model }),
    }
    const totalMs = Math.round(random.skewed(medianMs))
    const good: Omit<OutcomeEntry, Exclude<keyof IntentEntry, 'units' | 'cost_micro'>> = {
      status: 200,
      bytes_in: random.int(120, 4_000),
      bytes_out: random.int(800, 60_000),
      units:
        service === 'chat'
          ? { tokens_in: random.int(10, 900), tokens_out: random.int(20, 1_200) }
          : { [`${service}_units`]: random.int(1, 40) },
      first_byte_ms: Math.round(totalMs / 8),
      total_ms: totalMs,
      ended: 'complete',
    }
    const failed = random.chance(0.012) ? FAILURES[random.int(0, FAILURES.length - 1)] : {}
    const { method, route: asked, service: of, ...rest } = more
    const said = { ...about, ...(method ? { method } : {}), ...(asked ? { route: asked } : {}), ...(of ? { service: of } : {}) }
    this.#happenings.push({ atMs, what: 'intent', entry: said })
    this.#happenings.push({ atMs: atMs + totalMs, what: 'outcome', entry: { ...good, ...failed, ...rest, ...said } })
  }

  /** A refusal of a stranger, or of a caller the gate knew (`who`). */
  refused(atMs: number, address: string, entry: Partial<RefusedEntry>, who?: Person): void {
    this.#happenings.push({
      atMs,
      what: 'refused',
      entry: {
        request: this.#id(),
        tenant: asTenantId('default'),
        ...(who ? { kind: 'key' as const, user: who.user, key: who.key } : {}),
        address,
        method: 'POST',
        route: '/chat/api/generate',
        service: 'chat',
        status: 401,
        code: 'UNAUTHORIZED',
        path: entry.route ?? '/chat/api/generate',
        ...entry,
      },
    })
  }

  badKey(atMs: number, address: string, reason: string, key?: string): void {
    this.refused(atMs, address, { reason, ...(key === undefined ? {} : { key }) })
  }

  keyless(atMs: number, address: string, method: string, path: string): void {
    this.refused(atMs, address, { method, path, route: '', service: 'gate', reason: 'no_credential' })
  }

  forbidden(atMs: number, address: string, who: Person, method: string, route: string, code = 'FORBIDDEN'): void {
    const service = route.split('/')[1] ?? 'gate'
    this.refused(atMs, address, { method, route, path: route, service, status: code === 'NOT_FOUND' ? 404 : 403, code }, who)
  }

  badPath(atMs: number, address: string, path: string, who?: Person): void {
    this.refused(
      atMs,
      address,
      { method: 'GET', route: '', service: 'gate', status: 400, code: 'BAD_PATH', reason: 'a refused spelling of a path', path },
      who,
    )
  }

  /** The ledger's text. */
  write(): string {
    const lines = new LedgerLines()
    const bounds = new Bounds()
    const text: string[] = []
    for (const { atMs, what, entry } of this.#happenings.sort((a, b) => a.atMs - b.atMs)) {
      for (const summary of bounds.due(atMs)) text.push(lines.summary(summary.lastMs, summary.entry()))
      if (what === 'intent') text.push(lines.intent(atMs, entry))
      else if (what === 'outcome') text.push(lines.outcome(atMs, entry))
      else if (entry.kind !== undefined || bounds.admits(atMs, entry)) text.push(lines.refused(atMs, entry))
    }
    for (const summary of bounds.due(Number.POSITIVE_INFINITY)) text.push(lines.summary(summary.lastMs, summary.entry()))
    return text.join('')
  }

  #id(): string {
    this.#requests += 1
    return `req_${String(this.#requests).padStart(12, '0')}`
  }
}

const FAILURES: readonly Partial<OutcomeEntry>[] = [
  { status: 502, code: 'UPSTREAM_DIED', ended: 'upstream_died' },
  { status: 503, code: 'UPSTREAM_UNREACHABLE', ended: 'refused' },
  { status: 504, code: 'UPSTREAM_TIMEOUT', ended: 'deadline' },
  { status: 200, ended: 'client_closed' },
]

class Summary {
  readonly #address: string
  readonly firstMs: number
  lastMs: number
  #count = 0
  readonly #samples: { code: string; reason?: string; key?: string; path?: string }[] = []

  constructor(address: string, atMs: number) {
    this.#address = address
    this.firstMs = atMs
    this.lastMs = atMs
  }

  add(atMs: number, { code, reason, key, path }: RefusedEntry): void {
    this.#count += 1
    this.lastMs = atMs
    if (this.#samples.length >= 3) return
    this.#samples.push({ code, ...(reason ? { reason } : {}), ...(key ? { key } : {}), ...(path ? { path: path.slice(0, 64) } : {}) })
  }

  entry() {
    const [first, last] = [new Date(this.firstMs).toISOString(), new Date(this.lastMs).toISOString()]
    return { tenant: 'default', address: this.#address, count: this.#count, first, last, samples: this.#samples }
  }
}

/** The ledger's own bound: 20 refusals of strangers per address and minute one by one, then one summary per 10 s. */
class Bounds {
  readonly #minutes = new Map<string, number>()
  readonly #open = new Map<string, Summary>()

  admits(atMs: number, entry: RefusedEntry): boolean {
    const name = `${entry.address} ${Math.floor(atMs / MINUTE_MS)}`
    const seen = this.#minutes.get(name) ?? 0
    this.#minutes.set(name, seen + 1)
    if (seen < 20) return true
    const open = this.#open.get(entry.address) ?? new Summary(entry.address, atMs)
    open.add(atMs, entry)
    this.#open.set(entry.address, open)
    return false
  }

  due(atMs: number): Summary[] {
    const due = [...this.#open].filter(([, summary]) => atMs - summary.firstMs >= 10_000)
    for (const [address] of due) this.#open.delete(address)
    return due.map(([, summary]) => summary)
  }
}
