import type { IntentEntry, LifecycleEntry, OutcomeEntry, RefusedEntry } from '../contract/index.ts'
import {
  asGatewayError,
  credentialOf,
  dropBody,
  type Envelope,
  type ErrorShape,
  errorAnswer,
  errorInBand,
  mustBeTaken,
  Room,
  type Share,
} from '../http/index.ts'
import { type Clock, DEFAULT_TENANT, GatewayError, isKey, type KeyPrincipal, LIMITS, type Principal, Slots } from '../kernel/index.ts'
import { type EndpointHold, type Hold, NO_HOLD } from '../limits/index.ts'
import { type Bill, billOf, expectedOf } from './bill.ts'
import { type Kept, KeptContent } from './content.ts'
import { intentOf, outcomeOf, refusalOf } from './entries.ts'
import { limitHeaders, recordOf } from './limit-headers.ts'
import { type Demand, type Ended, type Policy, Visit } from './visit.ts'

/** What the corridor needs of the other rooms, and no more. */
export interface CorridorParts {
  readonly clock: Clock
  readonly ledger: {
    intent(entry: IntentEntry): Promise<void>
    outcome(entry: OutcomeEntry): void
    refused(entry: RefusedEntry): void
    lifecycle(entry: LifecycleEntry): Promise<void>
  }
  readonly identity: { authenticate(credential: string, address: string): KeyPrincipal | Promise<KeyPrincipal> }
  readonly limits: { enter(principal: KeyPrincipal): Hold }
  readonly refusedKeyId: (error: GatewayError) => string | undefined
  readonly observer: CorridorObserver
  /** Where prompts and answers are kept, of keys that want it; nowhere when absent. */
  readonly contents?: Contents
  readonly log: { error(fields: object, message: string): void }
}

export interface Contents {
  readonly bytesMax: () => number
  keep(content: Kept & { readonly request: string }): void
}

/** Told of every request that begins and ends; metrics are made of it. */
export interface CorridorObserver {
  began(visit: Visit): void
  ended(visit: Visit, end: Ended, totalMs: number): void
  refused(visit: Visit, error: GatewayError, totalMs: number): void
}

/** Does what was admitted. It answers the caller itself, or says in `tell` what is still to be told. */
export type Perform = (visit: Visit) => Promise<Ended & { readonly tell?: GatewayError | undefined }>

export interface Corridor {
  admit(envelope: Envelope, policy: Policy, perform: Perform): Promise<void>
  /** Records and answers what cannot be read as a request: nothing in it is believed, a key neither. */
  turnAway(envelope: Envelope, error: GatewayError, service: string, errors: ErrorShape): void
  /** The same for what no table names. Who asks is found out, though it changes nothing for him: a wrong base URL in somebody's program is no stranger's probing. */
  noRoute(envelope: Envelope, error: GatewayError, service: string, errors: ErrorShape): Promise<void>
  readonly inFlight: Pick<Slots<Visit>, 'size' | typeof Symbol.iterator>
  /** From now on everything new is refused; what runs may finish. */
  drain(): void
}

export function createCorridor(parts: CorridorParts): Corridor {
  const { clock, contents, ledger, limits, observer } = parts
  const inFlight = new Slots<Visit>()
  const room = new Room(LIMITS.bodiesInMemoryBytesMax)
  let draining = false

  /** The corridor. Each line is one of its steps, in the order of ARCHITECTURE.md; nothing else reaches a backend or changes state. */
  async function admit(envelope: Envelope, policy: Policy, perform: Perform): Promise<void> {
    const visit = new Visit(envelope, policy)
    let hold = NO_HOLD
    observer.began(visit)
    inFlight.add(visit)
    try {
      if (draining) throw new GatewayError('DRAINING', { headers: { connection: 'close' } })
      const found = whoAreYou(visit) //           400 401 429 503
      visit.principal = found instanceof Promise ? await found : found
      if (contents !== undefined && isKey(visit.principal) && visit.principal.logContent)
        visit.content = new KeptContent(contents.bytesMax())
      mayYou(visit.principal, policy) //          403 404
      hold = withinLimits(visit.principal) //     429
      if (policy.body !== undefined) await policy.body(visit, roomFor(visit)) // 400 408 413 415
      visit.reserve = reserveIn(visit, hold)
      if (visit.demand !== null) await visit.reserve(visit.demand) // 402 429
      if (policy.tellsLimits) visit.answerHeaders = limitHeaders(hold)
      await ledger.intent(intentOf(visit)) //     503
    } catch (thrown) {
      hold.refuse()
      visit.letGo()
      inFlight.delete(visit)
      return refuse(visit, visit.cutBy?.error ?? asGatewayError(thrown))
    }
    let end: PerformEnd
    try {
      end = await perform(visit)
    } catch (thrown) {
      end = brokenPerform(visit, thrown)
    }
    if (visit.cutBy !== null) end = { ...end, ...visit.cutBy } // while the intent was being written there was nothing yet that could end in order
    if (end.tell !== undefined) tell(visit, end.tell)
    dropBody(envelope.incoming)
    const bill = billOf(visit, end)
    visit.letGo()
    const countsForNothing = end.ended === 'refused' && !visit.sent
    endHold(hold, bill, countsForNothing)
    if (visit.endpointHold !== null) endHold(visit.endpointHold, bill, countsForNothing)
    inFlight.delete(visit)
    const totalMs = clock.monoMs() - envelope.startedMs
    ledger.outcome(outcomeOf(visit, end, bill, totalMs))
    observer.ended(visit, end, totalMs)
    if (visit.content !== null) contents?.keep({ request: envelope.id, ...visit.content.all() })
  }

  function whoAreYou(visit: Visit): Principal | Promise<Principal> {
    const { envelope, policy } = visit
    if (policy.who === 'owner') return ownerOf(envelope)
    if (policy.who === 'observer' && envelope.loopback) return LOOPBACK_OBSERVER
    const credential = credentialOf(envelope)
    if (credential === '') throw new GatewayError('UNAUTHORIZED', { reason: 'no_credential' })
    const found = parts.identity.authenticate(credential, envelope.address)
    if (found instanceof Promise) return found.then((principal) => recognised(visit, principal))
    return recognised(visit, found)
  }

  function roomFor(visit: Visit): Share {
    visit.room = room.of(visit.principal?.id ?? '')
    return visit.room
  }

  function withinLimits(principal: Principal): Hold {
    return isKey(principal) ? limits.enter(principal) : NO_HOLD
  }

  function refuse(visit: Visit, error: GatewayError, keyId = parts.refusedKeyId(error)): void {
    if (error.code === 'INTERNAL') parts.log.error({ err: error.cause, request: visit.envelope.id }, 'a request failed by our own fault')
    // The ledger has recorded by itself what it could not take.
    if (error.code !== 'AUDIT_UNAVAILABLE') ledger.refused(refusalOf(visit, error, keyId))
    tell(visit, error)
    dropBody(visit.envelope.incoming)
    observer.refused(visit, error, clock.monoMs() - visit.envelope.startedMs)
  }

  function brokenPerform(visit: Visit, thrown: unknown): PerformEnd {
    const error = asGatewayError(thrown)
    if (error.code === 'INTERNAL') parts.log.error({ err: thrown, request: visit.envelope.id }, 'a request failed by our own fault')
    if (visit.cutBy !== null) return { ...visit.cutBy, status: 0, bytesOut: 0 }
    if (visit.envelope.outgoing.destroyed) return { ended: 'client_closed', status: 0, bytesOut: 0, error }
    return { ended: 'refused', status: error.status, bytesOut: 0, error, tell: error }
  }

  return {
    admit,
    turnAway(envelope, error, service, errors) {
      const visit = new Visit(envelope, unrouted(service, errors))
      observer.began(visit)
      refuse(visit, error)
    },
    async noRoute(envelope, error, service, errors) {
      const visit = new Visit(envelope, unrouted(service, errors))
      observer.began(visit)
      let keyId: string | undefined
      try {
        visit.principal = await whoAreYou(visit)
      } catch (thrown) {
        keyId = parts.refusedKeyId(asGatewayError(thrown))
      }
      refuse(visit, error, keyId)
    },
    inFlight,
    drain() {
      draining = true
    },
  }
}

function endHold(hold: EndpointHold, bill: Bill, countsForNothing: boolean): void {
  if (countsForNothing) hold.refuse()
  else hold.settle(bill)
}

type PerformEnd = Awaited<ReturnType<Perform>>

/** Never admitted, so what it would need is never asked. */
const unrouted = (service: string, errors: ErrorShape): Policy => ({ who: 'key', right: 'administer', service, route: '', errors })

function recognised(visit: Visit, principal: KeyPrincipal): KeyPrincipal {
  visit.oldSecret = principal.oldSecret
  return principal
}

const reserveIn =
  (visit: Visit, hold: Hold) =>
  async (demand: Demand): Promise<void> => {
    await hold.reserve(expectedOf(demand))
    visit.demand = demand
    visit.price = demand.price
  }

function mayYou(principal: Principal, policy: Policy): void {
  if (policy.right === 'administer' || policy.right === 'any' || principal.kind === 'person') return // only the owner's socket makes a person so far
  if (!principal.rights.has(policy.right)) {
    throw new GatewayError('FORBIDDEN', {
      detail: `This key does not have the right ${policy.right}`,
      reason: `missing right ${policy.right}`,
    })
  }
}

/** The management socket is 0600 in the data directory: whoever reaches it is the local user who owns the data. */
function ownerOf(envelope: Envelope): Principal {
  if (!envelope.local) throw new GatewayError('NOT_FOUND', { reason: 'a management route was asked for from the network' })
  return { tenant: DEFAULT_TENANT, kind: 'person', id: 'owner', user: 'owner', rights: new Set() }
}

const LOOPBACK_OBSERVER: Principal = {
  tenant: DEFAULT_TENANT,
  kind: 'system',
  id: 'loopback',
  user: 'loopback',
  rights: new Set(['observe']),
}

const EVENT_STREAM = 'text/event-stream'

/** An error in the face's own shape. Nobody is told twice, and nobody who has left. */
function tell(visit: Visit, error: GatewayError): void {
  const { envelope, policy, answerHeaders } = visit
  const { outgoing, id } = envelope
  visit.kept?.breakOff(errorInBand(error, policy.errors, EVENT_STREAM))
  if (outgoing.headersSent || outgoing.destroyed) return
  const { status, headers, body } = errorAnswer(error, policy.errors, id)
  try {
    mustBeTaken(outgoing)
    outgoing.writeHead(status, { ...recordOf(answerHeaders), ...headers, 'content-length': Buffer.byteLength(body) })
    outgoing.end(body)
  } catch {
    outgoing.destroy() // a response that takes no answer must still not keep its place
  }
}
