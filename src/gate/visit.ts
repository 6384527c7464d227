import type { Model } from '../catalog/index.ts'
import type { Ending, Units } from '../contract/index.ts'
import type { Envelope, ErrorShape, Share } from '../http/index.ts'
import { type Allowance, type GatewayError, NO_PRICE, type Price, type Principal, type Right, type Slotted } from '../kernel/index.ts'
import type { EndpointHold } from '../limits/index.ts'
import type { Ask } from './ask.ts'
import { CallerSide } from './carry/caller-side.ts'
import type { KeptContent } from './content.ts'
import { type HeaderPairs, NO_HEADERS } from './limit-headers.ts'

/** What a route asks of whoever comes. A route line reads as one. */
export interface Policy {
  /** `key`: a key of ours. `owner`: the local user at the management socket. `observer`: loopback, or a key with the right. */
  readonly who: 'key' | 'owner' | 'observer'
  /** `any` is a key of whatever rights. */
  readonly right: Right | 'administer' | 'any'
  readonly service: string
  /** The table's pattern, for the ledger. */
  readonly route: string
  readonly errors: ErrorShape
  /** Whether an answer says in headers what is left of the limits. */
  readonly tellsLimits?: true
  /** Reads and judges the body; absent where there is none, or where it is carried as it comes. */
  readonly body?: (visit: Visit, room: Share) => Promise<void>
}

/** What a request is going to use, estimated before it is let in. */
export interface Demand {
  /** Null where the catalog knows none of that name. */
  readonly model: { readonly name: string; readonly limits: Allowance } | null
  readonly price: Price
  /** What it uses in any case: the tokens of its prompt, the characters of its text. */
  readonly least: Units
  /** All that it is expected to use. */
  readonly most: Units
}

/** How a visit ended, whoever performed it. */
export interface Ended {
  readonly ended: Ending
  /** What the caller was sent; 0 when nothing was. */
  readonly status: number
  readonly bytesOut: number
  readonly firstByteMs?: number | undefined
  /** A good answer was begun, towards the caller or, had he stayed, for him: that is what is paid for. */
  readonly served?: boolean | undefined
  readonly units?: Units | undefined
  readonly estimated?: true | undefined
  readonly error?: GatewayError | undefined
}

/** One request on its way through the corridor: what is known of it so far. */
export class Visit implements Slotted {
  slot = -1
  readonly envelope: Envelope
  readonly policy: Policy
  principal: Principal | null = null
  oldSecret = false
  model = ''
  target = ''
  /** Of the gate's own faces: the model of the catalog that was asked for, by whatever name. */
  found: Model | null = null
  demand: Demand | null = null
  /** Over /v1: the model that was found, and how to ask for it. */
  ask: Ask | null = null
  /** Reserves for another demand in the place of the one before; throws when the limits do not allow it. Set once the request is within its key's own. */
  reserve: (demand: Demand) => Promise<void> = nowhere
  /** Set for a key whose prompts and answers are kept. */
  content: KeptContent | null = null
  /** Which endpoint of a model serves, and at what price. */
  endpoint = ''
  price: Price = NO_PRICE
  endpointHold: EndpointHold | null = null
  /** Whether a backend was asked; before that, a refusal counts for nothing. */
  sent = false
  /** Called when a backend begins a good answer. */
  onAnswer: (() => void) | null = null
  /** Which endpoints were to serve before it, and why they did not. */
  passedOver = ''
  /** The body's bytes, where a policy read them to be carried on. */
  body: Buffer | null = null
  /** The body's fields, where the face translates them. */
  fields: Readonly<Record<string, unknown>> = NO_FIELDS
  /** Where a body that is read whole has its bytes. */
  room: Share | null = null
  /** Headers that the answer gets, whoever makes it; told to errors too. */
  answerHeaders: HeaderPairs = NO_HEADERS
  #caller: CallerSide | null = null
  /** Bytes of a body that was read whole. */
  #bytesRead = 0
  /** The body, where it is carried as it comes: it counts itself, so that a cut one is told as far as it came. */
  upload: { readonly bytes: number } | null = null
  /** Lets go of what a policy has begun to read, should nobody take it. */
  discard: (() => void) | null = null
  /** Set by whoever performs: ends the work at once. Before that, cutting the connection is all there is to do. */
  cut: ((ending: 'revoked' | 'refused', error: GatewayError) => void) | null = null
  /** Why the connection was cut from our side, while there was nothing yet that could end in order. */
  cutBy: { readonly ended: 'revoked' | 'refused'; readonly error: GatewayError } | null = null

  constructor(envelope: Envelope, policy: Policy) {
    this.envelope = envelope
    this.policy = policy
  }

  enterEndpoint(name: string, price: Price, hold: EndpointHold): void {
    this.endpoint = name
    this.price = price
    this.endpointHold = hold
  }

  /** Nothing was done there: it counts for nothing, and another one may serve. */
  leaveEndpoint(): void {
    this.endpoint = ''
    this.endpointHold?.refuse()
    this.endpointHold = null
  }

  /** Ends it, wherever it is on its way. */
  stop(ended: 'revoked' | 'refused', error: GatewayError): void {
    if (this.cut !== null) {
      this.cut(ended, error)
      return
    }
    this.cutBy = { ended, error }
    const { incoming, outgoing } = this.envelope
    // An answer that waits behind another has no socket yet, and nobody would hear that it is destroyed.
    if (outgoing.socket === null) incoming.socket.destroy()
    else outgoing.destroy()
  }

  /** The caller's end of it, for whoever carries. */
  callerAt(nowMs: number): CallerSide {
    this.#caller ??= new CallerSide(this.envelope.outgoing, nowMs, this.content)
    return this.#caller
  }

  /** Set when a sign of life was sent before any answer: then an error can only be told within the stream. */
  get kept(): CallerSide | null {
    return this.#caller?.kept === true && !this.#caller.ending ? this.#caller : null
  }

  get bytesIn(): number {
    return this.upload?.bytes ?? this.#bytesRead
  }

  /** A body was read whole, and has its bytes of the room until the visit ends. */
  held(bytes: number): void {
    this.#bytesRead = bytes
  }

  /** Once, at the end: the room is free again. */
  letGo(): void {
    this.body = null
    this.fields = NO_FIELDS
    this.discard?.()
    this.room?.give(this.#bytesRead)
  }
}

const nowhere = (): Promise<void> => Promise.resolve()
const NO_FIELDS: Readonly<Record<string, unknown>> = Object.freeze({})
