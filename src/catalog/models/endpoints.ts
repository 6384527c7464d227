import type { CreateEndpointInput, EditEndpointInput } from '../../contract/index.ts'
import { DEFAULT_TENANT, GatewayError, LIMITS, newEndpointId, reasonOf, type Secret } from '../../kernel/index.ts'
import type { Endpoint, Protocol } from '../model.ts'
import type { DialectName } from '../service.ts'
import type { StoredEndpoint } from './book.ts'
import { type EndpointRecord, endpointRecordOf, endpointRowOf, originOf, sealRow } from './endpoint.ts'
import { NO_OWN_LIMITS, type OwnLimits, ownLimitsEdited, ownLimitsOf } from './own-limits.ts'
import { type CatalogParts, findEndpoint, isBuiltin, type Page, type PageWanted, pageOf } from './parts.ts'
import { protocolsNamed, providerKey, refuseHugeRates, wrong } from './rules.ts'
import type { EndpointRow } from './store.ts'

/** All that people may know of an endpoint. */
export interface EndpointInfo extends OwnLimits {
  /** `builtin:<service>` for a service of the gate. */
  readonly id: string
  readonly name: string
  /** As it was given. */
  readonly url: string
  readonly dialect: DialectName
  readonly speaks: readonly Protocol[]
  readonly hasKey: boolean
  readonly concurrency: number
  readonly priority: number
  readonly abort: 'cancel' | 'drain'
  readonly remote: 'refuse' | 'allow'
  readonly discover: boolean
  readonly active: boolean
  readonly builtin: boolean
  /** How many models name it, those that appeared by themselves included. */
  readonly models: number
  /** What keeps it from serving although nobody switched it off; empty when all is well. */
  readonly note: string
  readonly createdMs: number | null
}

/** Management of endpoints, whoever asks for it. Every change answers after the store has it. A `name` is a name or an id. */
export interface EndpointService {
  create(input: CreateEndpointInput): Promise<EndpointInfo>
  list(wanted?: PageWanted): Page<EndpointInfo>
  show(name: string): EndpointInfo
  edit(name: string, input: EditEndpointInput): Promise<EndpointInfo>
  /** Its models lose this place at once. */
  delete(name: string): Promise<EndpointInfo>
}

export function createEndpointService(parts: CatalogParts): EndpointService {
  const { book } = parts
  return {
    create: (input) => parts.inTurn(() => create(parts, input)),
    list: (wanted = {}) => {
      const sorted = book
        .endpoints()
        .map((endpoint) => infoOf(parts, endpoint))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
      return pageOf(sorted, wanted, Math.min(wanted.limit ?? LIMITS.listPageEntitiesMax, LIMITS.listPageEntitiesMax))
    },
    show: (name) => infoOf(parts, findEndpoint(book, name)),
    edit: (name, input) => parts.inTurn(() => edit(parts, name, input)),
    delete: (name) => parts.inTurn(() => remove(parts, name)),
  }
}

function infoOf({ book }: CatalogParts, endpoint: Endpoint): EndpointInfo {
  const stored = book.stored(endpoint.ref)
  const { ref, name, dialect, speaks, concurrency, priority, abort, remote, discover } = endpoint
  return {
    id: ref,
    name,
    url: stored?.record.url ?? endpoint.url,
    dialect,
    speaks: [...speaks],
    hasKey: stored === undefined ? endpoint.auth !== null : stored.record.sealedKey !== null,
    ...ownLimitsOf(stored?.record ?? NO_OWN_LIMITS),
    concurrency,
    priority,
    abort,
    remote,
    discover,
    active: stored === undefined || stored.record.disabledMs === null,
    builtin: isBuiltin(endpoint),
    models: book.modelsAt(ref),
    note: stored?.fault ?? '',
    createdMs: stored?.record.createdMs ?? null,
  }
}

async function create(parts: CatalogParts, input: CreateEndpointInput): Promise<EndpointInfo> {
  const { book, clock } = parts
  refuseTakenName(parts, input.name)
  if (book.storedEndpoints >= LIMITS.endpointsMax)
    throw new GatewayError('CONFLICT', { detail: `There are ${LIMITS.endpointsMax} endpoints already` })
  const blank: EndpointRecord = {
    id: newEndpointId(),
    tenant: DEFAULT_TENANT,
    name: input.name,
    url: input.url,
    dialect: input.dialect,
    speaks: null,
    sealedKey: null,
    ...NO_OWN_LIMITS,
    concurrency: 0,
    priority: 0,
    abort: 'cancel',
    remote: 'refuse',
    discover: false,
    createdMs: clock.nowMs(),
    disabledMs: null,
  }
  const stored = edited(parts, { record: blank, key: null, fault: null }, input)
  await parts.store.addEndpoint(endpointRowOf(stored.record))
  return shelve(parts, stored)
}

async function edit(parts: CatalogParts, name: string, input: EditEndpointInput): Promise<EndpointInfo> {
  const before = changeable(parts, name)
  if (input.name !== undefined && input.name !== before.record.name) refuseTakenName(parts, input.name)
  const stored = edited(parts, before, input)
  await parts.store.setEndpoint(endpointRowOf(stored.record))
  return shelve(parts, stored)
}

async function remove(parts: CatalogParts, name: string): Promise<EndpointInfo> {
  const { record } = changeable(parts, name)
  const info = { ...infoOf(parts, findEndpoint(parts.book, name)), active: false, hasKey: false, models: 0, note: '' }
  await parts.store.deleteEndpoint(record.id, parts.clock.nowMs())
  parts.book.deleteEndpoint(record.id)
  parts.changed()
  return info
}

function shelve(parts: CatalogParts, stored: StoredEndpoint): EndpointInfo {
  parts.book.setEndpoint(stored)
  parts.changed()
  return infoOf(parts, findEndpoint(parts.book, stored.record.id))
}

/** The services of the gate are configured where the gate is, and nowhere else. */
function changeable({ book }: CatalogParts, name: string): StoredEndpoint {
  const endpoint = findEndpoint(book, name)
  const stored = book.stored(endpoint.ref)
  if (stored !== undefined) return stored
  const service = endpoint.name.slice('builtin:'.length)
  throw new GatewayError('CONFLICT', {
    detail: `${endpoint.name} is a service of the gate: its address, its key and how many requests it has at once are set under services.${service} in portcullis.yaml, and taken with SIGHUP; other limits belong on its models: portcullis model edit MODEL --rpm 60`,
  })
}

function refuseTakenName({ book }: CatalogParts, name: string): void {
  if (book.endpointNamed(name) !== undefined) throw new GatewayError('CONFLICT', { detail: `There is an endpoint "${name}" already` })
}

/** The endpoint with the fields that were given; what is undefined stays, and null takes away. */
function edited({ sealer, clock }: CatalogParts, before: StoredEndpoint, input: EditEndpointInput): StoredEndpoint {
  const { record } = before
  const dialect = input.dialect ?? record.dialect
  const url = input.url ?? record.url
  const limits = ownLimitsEdited(record, input)
  refuseHugeRates(limits)
  const { key, sealedKey, fault } = keyOf(before, {
    given: input.key,
    dialect,
    url,
    seal: (secret) => sealer.seal(secret, sealRow({ id: record.id, url })),
  })
  return {
    key,
    fault,
    record: {
      ...record,
      name: input.name ?? record.name,
      url,
      dialect,
      speaks: speaksOf(record, input.speaks, dialect),
      sealedKey,
      ...limits,
      concurrency: input.concurrency ?? record.concurrency,
      priority: input.priority ?? record.priority,
      abort: input.abort ?? record.abort,
      remote: input.remote ?? record.remote,
      discover: input.discover ?? record.discover,
      disabledMs: input.active === undefined ? record.disabledMs : input.active ? null : (record.disabledMs ?? clock.nowMs()),
    },
  }
}

/** Another language forgets what the endpoint was said to speak, unless that is said again. */
function speaksOf(record: EndpointRecord, given: readonly string[] | null | undefined, dialect: DialectName): EndpointRecord['speaks'] {
  if (given === undefined) return dialect === record.dialect ? record.speaks : null
  return given && protocolsNamed(given, dialect)
}

type Keyed = Pick<StoredEndpoint, 'key' | 'fault'> & Pick<EndpointRecord, 'sealedKey'>

interface KeyWanted extends Pick<EndpointRecord, 'dialect' | 'url'> {
  readonly given: string | null | undefined
  readonly seal: (key: Secret) => string
}

function keyOf({ record, key: before, fault }: StoredEndpoint, { given, dialect, url, seal }: KeyWanted): Keyed {
  if (given === null) return { key: null, sealedKey: null, fault: null }
  if (given !== undefined) {
    const key = providerKey(given, dialect)
    return { key, sealedKey: seal(key), fault: null }
  }
  if (record.sealedKey !== null && originOf(url) !== originOf(record.url)) {
    throw wrong(
      `The key was given for ${originOf(record.url)} and goes to no other host. Give it again as "key", or null for none`,
      'another host without its key',
    )
  }
  if (before !== null) providerKey(before.reveal(), dialect) // another dialect may put it into another header
  return { key: before, sealedKey: record.sealedKey, fault }
}

/** A row with its key opened. One whose key does not open stays, out of service, with what mends it; null for a row that cannot be read at all. */
export function storedEndpoint(row: EndpointRow, { sealer, log }: Pick<CatalogParts, 'sealer' | 'log'>): StoredEndpoint | null {
  let record: EndpointRecord
  try {
    record = endpointRecordOf(row)
  } catch (thrown) {
    log.error({ endpoint: row.id, reason: reasonOf(thrown) }, 'an endpoint of the store cannot be read and is unknown here')
    return null
  }
  if (record.sealedKey === null) return { record, key: null, fault: null }
  try {
    return { record, key: sealer.open(record.sealedKey, sealRow(record)), fault: null }
  } catch (thrown) {
    log.error(
      { endpoint: record.name, reason: reasonOf(thrown) },
      "the provider's key of an endpoint cannot be opened; it serves nothing until that is mended",
    )
    const fault =
      'its key cannot be opened: restore endpoints.key in the data directory from a backup and start again, or give the key again'
    return { record, key: null, fault }
  }
}
