import { createHash } from 'node:crypto'
import { Agent, request } from 'undici'
import { modelName } from '../contract/index.ts'
import { type Clock, clip, LIMITS, reasonOf } from '../kernel/index.ts'
import type { Endpoint, EndpointRef } from './model.ts'
import type { ModelCatalog } from './models/catalog.ts'
import type { Listed } from './models/discovered.ts'
import type { CatalogLog } from './models/parts.ts'

/** How a backend is asked which models it has. No question loads one. */
export interface Listing {
  path(endpoint: Endpoint): string
  readonly headers?: Readonly<Record<string, string>>
  /** Null for what is no list. */
  read(status: number, body: Buffer, endpoint: Endpoint): readonly Listed[] | null
}

export interface DiscoveryParts {
  readonly catalog: Pick<ModelCatalog, 'endpoints' | 'setListed' | 'hasListed' | 'onEndpoints'>
  readonly listingOf: (endpoint: Endpoint) => Listing
  readonly clock: Clock
  readonly log: CatalogLog
}

export interface Discovery {
  /** Asks every endpoint now, each again after a minute, and one that fails as often as health is checked, so that it is heard of when it comes up. */
  start(): void
  /** Asks no more, and what was found is forgotten. */
  stop(): void
  /** Asks those endpoints now. */
  ask(refs?: ReadonlySet<EndpointRef>): Promise<void>
}

/** What is known of an endpoint that is asked. */
interface Asked {
  /** The one that was asked: after an edit it is another, of which nothing is known. */
  readonly endpoint: Endpoint
  asking: boolean
  failing: boolean
  answeredMs: number
  /** Of the last answer, '' before the first: most come again as they were, and need not be read again. */
  digest: string
  list: readonly Listed[]
}

export function createDiscovery(parts: DiscoveryParts): Discovery {
  const { catalog, clock } = parts
  const asked = new Map<EndpointRef, Asked>()
  let running: Running | null = null

  const wanted = (): readonly Endpoint[] => catalog.endpoints().filter(({ active, discover }) => active && discover)
  const stateOf = (endpoint: Endpoint): Asked => {
    const known = asked.get(endpoint.ref)
    if (known?.endpoint === endpoint) return known
    const answeredMs = known?.answeredMs ?? Number.NEGATIVE_INFINITY
    const fresh: Asked = { endpoint, asking: false, failing: false, answeredMs, digest: '', list: [] }
    asked.set(endpoint.ref, fresh)
    return fresh
  }
  const isDue = ({ asking, failing, digest, answeredMs }: Asked): boolean =>
    !asking && (failing || digest === '' || clock.monoMs() - answeredMs >= LIMITS.discoverEveryMs)

  const askOne = async (state: Asked, { agent }: Running): Promise<void> => {
    state.asking = true
    try {
      const list = await listOf(state, parts, agent)
      if (asked.get(state.endpoint.ref) !== state) return
      taken(state, list, parts)
    } catch (thrown) {
      if (asked.get(state.endpoint.ref) === state) failed(state, thrown, parts)
    } finally {
      state.asking = false
    }
  }

  const ask = async (which: (state: Asked) => boolean): Promise<void> => {
    const now = running
    if (now === null) return
    const endpoints = wanted()
    const refs = new Set(endpoints.map(({ ref }) => ref))
    for (const ref of asked.keys()) if (!refs.has(ref)) asked.delete(ref)
    await Promise.all(
      endpoints
        .map(stateOf)
        .filter(which)
        .map((state) => askOne(state, now)),
    )
  }

  return {
    start() {
      if (running !== null) return
      const askDue = (): void => void ask(isDue)
      const timer = setInterval(askDue, LIMITS.probeEveryMs)
      timer.unref()
      const agent = new Agent({ connections: 2, connect: { timeout: LIMITS.discoverMsMax } })
      running = { agent, timer, unsubscribe: catalog.onEndpoints(askDue) }
      askDue()
    },
    stop() {
      if (running === null) return
      clearInterval(running.timer)
      running.unsubscribe()
      void running.agent.destroy()
      running = null
      for (const ref of asked.keys()) catalog.setListed(ref, [])
      asked.clear()
    },
    ask: (refs) => ask(({ endpoint, asking }) => !asking && (refs === undefined || refs.has(endpoint.ref))),
  }
}

interface Running {
  readonly agent: Agent
  readonly timer: NodeJS.Timeout
  readonly unsubscribe: () => void
}

async function listOf(state: Asked, { listingOf, log }: DiscoveryParts, agent: Agent): Promise<readonly Listed[]> {
  const { endpoint } = state
  const listing = listingOf(endpoint)
  const { status, body } = await answerOf(endpoint, listing, agent)
  const digest = createHash('sha256').update(`${status}\n`).update(body).digest('base64')
  if (digest === state.digest) return state.list
  if (containersIn(body) > LIMITS.jsonContainersMax)
    throw new Error(`more than ${LIMITS.jsonContainersMax} lists and objects in its answer`)
  const all = listing.read(status, body, endpoint)
  if (all === null) throw new Error(`status ${status}, and no list of models, when asked for ${listing.path(endpoint)}`)
  state.list = usable(all, endpoint, log)
  state.digest = digest
  return state.list
}

async function answerOf(endpoint: Endpoint, listing: Listing, agent: Agent): Promise<{ status: number; body: Buffer }> {
  const { auth, url } = endpoint
  const answer = await request(`${url}${listing.path(endpoint)}`, {
    dispatcher: agent,
    headers: {
      accept: 'application/json',
      'accept-encoding': 'identity',
      ...listing.headers,
      ...(auth && { [auth.header]: auth.value.reveal() }),
    },
    signal: AbortSignal.timeout(LIMITS.discoverMsMax),
  })
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    // undici gives bytes as buffers
    bytes += chunk.length
    // Leaving the loop closes the connection.
    if (bytes > LIMITS.discoverBytesMax) throw new Error(`more than ${LIMITS.discoverBytesMax} bytes in its answer`)
    chunks.push(chunk)
  }
  return { status: answer.statusCode, body: Buffer.concat(chunks) }
}

const OBJECT = 0x7b
const ARRAY = 0x5b

/** `JSON.parse` of 4 MiB of `{}` holds the event loop for most of a second; those in texts are counted too, which does no harm. */
function containersIn(body: Buffer): number {
  let count = 0
  for (const byte of body) if (byte === OBJECT || byte === ARRAY) count += 1
  return count
}

const NAMES_SHOWN_MAX = 5

/** Those whose name a model may have, once each. */
function usable(all: readonly Listed[], endpoint: Endpoint, log: CatalogLog): readonly Listed[] {
  const byName = new Map<string, Listed>()
  const skipped: string[] = []
  for (const listed of all.slice(0, LIMITS.discoveredModelsMax)) {
    if (!modelName.safeParse(listed.name).success) skipped.push(listed.name)
    else if (!byName.has(listed.name)) byName.set(listed.name, listed)
  }
  if (skipped.length > 0) {
    const names = skipped.slice(0, NAMES_SHOWN_MAX).map((name) => clip(name, LIMITS.nameCharsMax))
    log.warn({ endpoint: endpoint.name, skipped: skipped.length, names }, 'models are left out, because a model cannot have such a name')
  }
  const beyond = all.length - LIMITS.discoveredModelsMax
  if (beyond > 0) log.warn({ endpoint: endpoint.name, skipped: beyond }, 'models are left out, because an endpoint may list no more')
  return [...byName.values()]
}

function taken(state: Asked, list: readonly Listed[], { catalog, clock, log }: DiscoveryParts): void {
  const { ref, name } = state.endpoint
  state.failing = false
  state.answeredMs = clock.monoMs()
  if (catalog.setListed(ref, list)) log.info({ endpoint: name, models: list.length }, 'models discovered')
}

/** What was listed stays for a while: a backend that is busy or starts again has not lost its models. */
function failed(state: Asked, thrown: unknown, { catalog, clock, log }: DiscoveryParts): void {
  const { ref, name } = state.endpoint
  const isNews = !state.failing
  state.failing = true
  if (isNews) log.info({ endpoint: name, reason: reasonOf(thrown) }, 'an endpoint does not list its models')
  if (!catalog.hasListed(ref) || clock.monoMs() - state.answeredMs < LIMITS.discoveredKeepMs) return
  catalog.setListed(ref, [])
  log.warn({ endpoint: name, reason: reasonOf(thrown) }, 'models are forgotten, because their endpoint has not listed them for too long')
}
