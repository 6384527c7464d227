import type { IncomingMessage, ServerResponse } from 'node:http'
import { clip, GatewayError, LIMITS, newRequestId, type RequestId } from '../kernel/index.ts'
import { clientAddress, type Peer, type TrustedNetworks } from './address.ts'

/** What the outside of a request says: its line and headers, read once, before anything is believed. */
export interface Envelope {
  readonly id: RequestId
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly method: string
  /** As it was spelled, without the query. */
  readonly path: string
  readonly query: string
  readonly address: string
  readonly local: boolean
  /**
   * The peer is loopback, nobody forwarded, and Host names this machine: Caddy, tunnels and VPN helpers connect from 127.0.0.1 too, and say so;
   * a web page whose name was rebound to 127.0.0.1 comes from a browser here, under that name. One whose browser says which page asks may read an answer
   * where CORS_ORIGINS lets it, and is no neighbour either.
   */
  readonly loopback: boolean
  readonly agent: string
  readonly headers: Headers
  readonly startedMs: number
}

/** The few headers the gate itself reads. The rest is carried or dropped by the carrier's lists. */
interface Headers {
  host: string
  apiKey: string
  authorization: string
  contentType: string
  contentLength: number
  contentEncoding: string
  accept: string
  origin: string
  agent: string
  forwardedFor: string
  forwarded: boolean
  expectContinue: boolean
  expectsOther: boolean
  upgrade: boolean
  websocket: boolean
  /** What is wrong with them; read to the end all the same, because whoever is refused is recorded by the address that they tell. */
  fault: GatewayError | null
}

/** Header names by length, so that most names are passed over without being lowered. */
const READ = new Set([
  'host',
  'x-api-key',
  'authorization',
  'content-type',
  'content-length',
  'content-encoding',
  'accept',
  'origin',
  'user-agent',
  'expect',
  'upgrade',
  'x-forwarded-for',
  'forwarded',
  'x-real-ip',
  'cf-connecting-ip',
  'via',
])
const READ_LENGTHS = new Set([...READ].map((name) => name.length))

const repeated = (name: string, detail: string): GatewayError =>
  new GatewayError(name === 'Host' ? 'BAD_HOST' : 'CREDENTIAL_CONFLICT', { detail, reason: `repeated ${name}` })

/** One pass over the raw list, because Node joins or drops repeated headers before `req.headers` shows them. */
function readHeaders(raw: readonly string[]): Headers {
  const seen: Headers = {
    host: '',
    apiKey: '',
    authorization: '',
    contentType: '',
    contentLength: -1,
    contentEncoding: '',
    accept: '',
    origin: '',
    agent: '',
    forwardedFor: '',
    forwarded: false,
    expectContinue: false,
    expectsOther: false,
    upgrade: false,
    websocket: false,
    fault:
      raw.length > LIMITS.headersMax * 2
        ? new GatewayError('HEADERS_TOO_LARGE', { detail: `more than ${LIMITS.headersMax} headers` })
        : null,
  }
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (READ_LENGTHS.has(name.length)) readHeader(seen, name.toLowerCase(), raw[i + 1] ?? '')
    else if (!seen.forwarded) seen.forwarded = tellsOfForwarding(name)
  }
  return seen
}

function readHeader(seen: Headers, name: string, value: string): void {
  switch (name) {
    case 'host':
      if (seen.host !== '') seen.fault ??= repeated('Host', 'The Host header is repeated')
      seen.host = value
      break
    case 'x-api-key':
      if (seen.apiKey !== '') seen.fault ??= repeated('X-API-Key', 'The X-API-Key header is sent twice; send it once')
      seen.apiKey = value.trim()
      break
    case 'authorization':
      if (seen.authorization !== '') seen.fault ??= repeated('Authorization', 'The Authorization header is sent twice; send it once')
      seen.authorization = value
      break
    case 'content-type':
      seen.contentType = value
      break
    case 'content-length':
      seen.contentLength = Number(value)
      break
    case 'content-encoding':
      seen.contentEncoding = value.trim().toLowerCase()
      break
    case 'accept':
      seen.accept = value
      break
    case 'origin':
      seen.origin = value
      break
    case 'user-agent':
      seen.agent = value
      break
    case 'expect':
      seen.expectContinue = value.trim().toLowerCase() === '100-continue'
      seen.expectsOther = !seen.expectContinue
      break
    case 'upgrade':
      seen.upgrade = true
      seen.websocket ||= OFFERS_WEBSOCKET.test(value)
      break
    case 'x-forwarded-for':
      // A proxy that appends by a second header line means the same list (RFC 9110, section 5.3).
      seen.forwardedFor = seen.forwardedFor === '' ? value : `${seen.forwardedFor},${value}`
      seen.forwarded = true
      break
    case 'forwarded':
    case 'x-real-ip':
    case 'cf-connecting-ip':
    case 'via':
      seen.forwarded = true
      break
    default:
      if (!seen.forwarded) seen.forwarded = tellsOfForwarding(name)
  }
}

// Any other offer may be ignored (RFC 9110, section 7.8): curl and Java's client offer h2c with every first request. A websocket's caller has nothing
// to say in HTTP.
const OFFERS_WEBSOCKET = /(?:^|,)\s*websocket\s*(?:$|[,/])/i

const FORWARDING = /^(?:x-forwarded-|tailscale-)|-client-ip$/i
const [X, T, P] = ['x', 't', 'p'].map((letter) => letter.charCodeAt(0))

/** Looks at two letters first, because it is asked of every header. */
function tellsOfForwarding(name: string): boolean {
  const first = name.charCodeAt(0) | 0x20 // lowers a letter
  if (first !== X && first !== T && (name.charCodeAt(name.length - 1) | 0x20) !== P) return false
  return FORWARDING.test(name)
}

const HOST_OF_THIS_MACHINE = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i

// NUL and other controls cannot arrive raw (llhttp refuses them), but their encoded forms can, and backends decode.
const REFUSED_IN_PATH = /[\\;\u0000-\u0020\u007f-\uffff]|%(?:0[0-9a-f]|1[0-9a-f]|2f|5c|7f|3b)|%(?![0-9a-f]{2})/i
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)/i

/** Where ids of models stand, which hold slashes; what is there reaches no backend. */
const MODELS = '/v1/models/'

function checkPath(spelled: string): void {
  const path = spelled.startsWith(MODELS) ? spelled.replaceAll(/%2f/gi, '/') : spelled
  if (REFUSED_IN_PATH.test(path) || path.startsWith('//') || (path.includes('.') || path.includes('%') ? DOT_SEGMENT.test(path) : false)) {
    throw new GatewayError('BAD_PATH', { reason: 'a refused spelling of a path' })
  }
}

/** An absolute-form target may name another host than Host does; then we and whoever stands before us disagree about who is meant. */
function originForm(target: string, host: string): string {
  if (target.startsWith('/')) return target
  const match = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target)
  if (!match) throw new GatewayError('BAD_REQUEST', { detail: 'The request target is neither a path nor an http URL' })
  if ((match[1] ?? '').toLowerCase() !== host.toLowerCase())
    throw new GatewayError('BAD_HOST', { reason: 'absolute-form target differs from Host' })
  const rest = match[2] ?? ''
  return rest.startsWith('/') ? rest : `/${rest}`
}

export interface Opened {
  readonly envelope: Envelope
  /** What is wrong with it, if anything: an envelope that cannot be accepted is still recorded. */
  readonly fault: GatewayError | null
}

export function openEnvelope(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  peer: Peer,
  trusted: TrustedNetworks,
  startedMs: number,
): Opened {
  const target = incoming.url ?? '/'
  let address = peer.address
  let headers = NO_HEADERS
  let path = target
  let query = ''
  let fault: GatewayError | null = null
  try {
    headers = readHeaders(incoming.rawHeaders)
    if (peer.trusted && headers.forwardedFor !== '') address = clientAddress(peer, headers.forwardedFor, trusted)
    if (headers.fault !== null) throw headers.fault
    if (headers.host === '' && incoming.httpVersion === '1.1') throw new GatewayError('BAD_HOST', { detail: 'The Host header is missing' })
    const local = originForm(target, headers.host)
    const mark = local.indexOf('?')
    path = mark === -1 ? local : local.slice(0, mark)
    query = mark === -1 ? '' : local.slice(mark + 1)
    checkPath(path)
    if (headers.expectsOther) throw new GatewayError('BAD_REQUEST', { detail: 'Expect may hold 100-continue and nothing else' })
    if (headers.websocket) throw new GatewayError('UPGRADE_REFUSED')
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    fault = error
    const mark = path.indexOf('?')
    if (mark !== -1) path = path.slice(0, mark)
  }
  const envelope: Envelope = {
    id: newRequestId(),
    incoming,
    outgoing,
    method: incoming.method ?? 'GET',
    path,
    query,
    address,
    local: peer.local,
    loopback: peer.loopback && !headers.forwarded && headers.origin === '' && HOST_OF_THIS_MACHINE.test(headers.host),
    agent: headers.agent === '' ? '' : clip(headers.agent, LIMITS.userAgentCharsMax),
    headers,
    startedMs,
  }
  return { envelope, fault }
}

const NO_HEADERS: Headers = Object.freeze(readHeaders([]))
