import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { type Clock, type ErrorCode, GatewayError, LIMITS, newRequestId } from '../kernel/index.ts'
import { judgedAnew, type Peer, peerOf, type TrustedNetworks } from './address.ts'
import { breakBody } from './body.ts'
import { Connections, connectionsMax } from './connections.ts'
import { answersPreflight, type CorsRules, NO_CORS } from './cors.ts'
import { type Envelope, openEnvelope } from './envelope.ts'
import { asGatewayError, errorAnswer } from './faces.ts'

/** What a handler finds in `c.env`. */
export interface GateEnv {
  Bindings: { incoming: IncomingMessage; outgoing: ServerResponse; envelope: Envelope }
}

type Fetch = (request: Request, env: GateEnv['Bindings']) => Response | Promise<Response>

/**
 * Handlers by `METHOD /path`, for rows without a parameter. They are looked up before Hono, which has the same ones for every spelling that is not
 * exactly the row's: making its Request, context and Response cost a small answer more than the corridor itself.
 */
export type ExactRoutes = ReadonlyMap<string, (envelope: Envelope) => Promise<void>>

export interface GateServerParts {
  readonly clock: Clock
  readonly trusted: () => TrustedNetworks
  readonly connectionsPerAddressMax: () => number
  readonly connectionsMax?: number
  readonly cors?: () => CorsRules
  readonly fetch: Fetch
  readonly exact?: () => ExactRoutes
  /** An envelope that cannot be accepted: answered and recorded by the corridor. */
  readonly turnAway: (envelope: Envelope, fault: GatewayError) => void
  /** What llhttp refused, or a connection too many: there is no request to answer, only a socket. */
  readonly refusedSocket: (address: string, code: ErrorCode, reason: string, id: string) => void
  /** Fixed for the management socket, whose caller is known by the file's mode. */
  readonly peer?: () => Peer
}

/** One connection: who is at its other end, and the answer to the latest request that came on it. */
interface Line {
  peer: Peer
  /** By which networks the peer was judged: a reload makes others. */
  judgedBy: TrustedNetworks
  latest: ServerResponse | null
  /** The id of the request that it answers. */
  latestId: string
  /** Requests that stand behind another. */
  queued: number
  /** It was told its last word; what still comes on it is nobody's request. */
  refused: boolean
}

const LINES = new WeakMap<Socket, Line>()
const NO_ROUTES: ExactRoutes = new Map()

/** An HTTP server with the gate's limits; it listens nowhere yet. */
export function createGateServer(parts: GateServerParts): Server {
  const { clock, turnAway, trusted, exact = () => NO_ROUTES, cors = () => NO_CORS } = parts
  const hono = getRequestListener((request, env) => parts.fetch(request, env as GateEnv['Bindings']), {
    overrideGlobalObjects: false, // HTTP/1 only
    autoCleanupIncoming: false, // the corridor and the open routes drop what nobody wants, within limits of their own
  })

  const listener = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const line = LINES.get(incoming.socket) ?? openLine(parts, incoming.socket)
    if (line.refused || (outgoing.socket === null && !standsInLine(parts, line, incoming.socket, outgoing))) return
    line.latest = outgoing
    const networks = trusted()
    if (line.judgedBy !== networks) judgeAnew(line, networks)
    const { envelope, fault } = openEnvelope(incoming, outgoing, line.peer, networks, clock.monoMs())
    line.latestId = envelope.id
    if (envelope.headers.upgrade) outgoing.shouldKeepAlive = false // llhttp loses what stands in the same packet behind the offer
    if (envelope.headers.origin !== '' && answersPreflight(cors(), envelope)) return
    if (fault !== null) {
      turnAway(envelope, fault)
      return
    }
    const handle = exact().get(`${envelope.method} ${envelope.path}`)
    if (handle !== undefined) {
      handle(envelope).catch((thrown) => turnAway(envelope, asGatewayError(thrown)))
      return
    }
    const env: IncomingMessage & { envelope?: Envelope } = incoming
    env.envelope = envelope
    routeAsJudged(incoming, envelope)
    void hono(incoming, outgoing)
  }

  const server = createServer({
    maxHeaderSize: LIMITS.headerBlockBytesMax,
    headersTimeout: LIMITS.headersMsMax,
    requestTimeout: 0, // would cap the time of an upload; our bodies have an idle limit and a floor instead
    connectionsCheckingInterval: LIMITS.connectionsCheckMs,
    keepAliveTimeout: LIMITS.keepAliveMs,
    noDelay: true,
    insecureHTTPParser: false,
    requireHostHeader: false, // Node would refuse by itself, and nobody would record it
  })
  server.maxHeadersCount = LIMITS.headersMax * 10 // Node drops what is above without a word; we count to our own limit and refuse
  server.on('request', listener)
  server.on('checkContinue', listener) // 100 Continue is sent when the body is first wanted
  server.on('checkExpectation', listener) // anything else that is expected is judged with the rest of the envelope
  // Nobody listens for 'upgrade': then Node takes an offer to switch for the ordinary request that it is as well, and the envelope judges it.
  server.on('connect', (_incoming: IncomingMessage, socket: Socket) => {
    // Node has taken its own listeners off, and a reset that nobody listens for would end the process.
    socket.on('error', () => {})
    const id = recordRefusal(parts, socket, 'BAD_REQUEST', 'connect')
    if (mayStillAnswer(socket, null)) refuseSocket(socket, 'BAD_REQUEST', id)
    else socket.destroy()
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => onClientError(parts, error, socket))
  const connections = new Connections({
    perNetworkMax: parts.connectionsPerAddressMax,
    totalMax: parts.connectionsMax ?? connectionsMax(),
  })
  server.on('connection', (socket) => onConnection(parts, connections, socket))
  return server
}

/**
 * A request behind another on its connection has no socket of its own yet, so Node would not tell its response that the caller has gone. Only few may
 * stand so: 64 KiB hold 2,400 requests, and the parser runs through them all before anything else gets a turn.
 */
function standsInLine(parts: GateServerParts, line: Line, socket: Socket, outgoing: ServerResponse): boolean {
  line.queued += 1
  if (line.queued > LIMITS.pipelinedRequestsMax) {
    line.refused = true
    recordRefusal(parts, socket, 'BAD_REQUEST', `more than ${LIMITS.pipelinedRequestsMax} requests in line on one connection`)
    socket.destroy()
    return false
  }
  const onClose = (): void => {
    if (outgoing.socket !== null || outgoing.writableFinished) return
    outgoing.destroy()
    outgoing.emit('close')
  }
  socket.setMaxListeners(0)
  socket.on('close', onClose)
  outgoing.once('socket', () => {
    line.queued -= 1
  })
  outgoing.on('close', () => socket.off('close', onClose))
  return true
}

/** Routing sees the path that was judged and no Host: node-server would answer an odd one by itself, and nobody would record that. */
function routeAsJudged(incoming: IncomingMessage, { path, query }: Envelope): void {
  incoming.headers.host = 'gate'
  if (incoming.url?.startsWith('/') !== true) incoming.url = query === '' ? path : `${path}?${query}`
}

function openLine({ peer, trusted }: GateServerParts, socket: Socket): Line {
  const judgedBy = trusted()
  const line: Line = { peer: peer?.() ?? peerOf(socket, judgedBy), judgedBy, latest: null, latestId: '', queued: 0, refused: false }
  LINES.set(socket, line)
  return line
}

function judgeAnew(line: Line, networks: TrustedNetworks): void {
  line.peer = judgedAnew(line.peer, networks)
  line.judgedBy = networks
}

function onConnection(parts: GateServerParts, connections: Connections, socket: Socket): void {
  const { address, local, trusted } = openLine(parts, socket).peer
  if (local) return // the owner must come in however many others there are
  const full = connections.enter(address, trusted)
  if (full === null) socket.once('close', () => connections.leave(address, trusted))
  else refuse(parts, socket, 'TOO_MANY_CONNECTIONS', full)
}

const CLIENT_ERRORS: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'HEADERS_TOO_SLOW', // the time for a body is not Node's to keep
}

const BODY_ERRORS: Readonly<Record<string, ErrorCode>> = {
  HPE_INVALID_EOF_STATE: 'BODY_INCOMPLETE', // it said that it will send no more
}

function onClientError(parts: GateServerParts, error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const { latest = null, latestId = '' } = LINES.get(socket) ?? {}
  const broken = latest === null || latest.req.complete ? null : latest
  const code = (broken === null ? CLIENT_ERRORS : BODY_ERRORS)[error.code ?? ''] ?? 'BAD_REQUEST'
  const reason = error.code ?? error.message
  // A request that was let in is recorded by whoever has it, and once.
  const id = broken === null ? recordRefusal(parts, socket, code, reason) : latestId
  if (broken !== null) breakBody(broken.req, new GatewayError(code, { reason }))
  if (mayStillAnswer(socket, broken)) refuseSocket(socket, code, id)
  else socket.destroy()
}

/** A last word must not be taken for the answer to another request, or for a part of one. Node asks itself the same question by the same field. */
function mayStillAnswer(socket: Socket, broken: ServerResponse | null): boolean {
  const { _httpMessage: answering } = socket as Socket & { readonly _httpMessage?: ServerResponse | null } // Node's own, set while a response has the socket
  return broken === null ? answering == null : answering === broken && !broken.headersSent
}

function refuse(parts: GateServerParts, socket: Socket, code: ErrorCode, reason: string): void {
  refuseSocket(socket, code, recordRefusal(parts, socket, code, reason))
}

/** Answers an id of its own: nobody could read a request, but caller and ledger must be able to speak of the same refusal. */
function recordRefusal(parts: GateServerParts, socket: Socket, code: ErrorCode, reason: string): string {
  const id = newRequestId()
  parts.refusedSocket(LINES.get(socket)?.peer.address ?? 'unknown', code, reason, id)
  return id
}

/** A last word on a socket that has no response object. */
function refuseSocket(socket: Socket, code: ErrorCode, id: string): void {
  const line = LINES.get(socket)
  if (line !== undefined) line.refused = true
  const { status, headers, body } = errorAnswer(new GatewayError(code), 'problem', id)
  const head = Object.entries({ ...headers, 'content-length': String(Buffer.byteLength(body)), connection: 'close' })
  const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n${lines}\r\n${body}`, () => socket.destroy())
}

/** The envelope that was opened before the request came to Hono. */
export function envelopeOf(incoming: IncomingMessage): Envelope {
  const { envelope } = incoming as IncomingMessage & { envelope?: Envelope } // set by the listener above, before Hono sees the request
  if (envelope === undefined) throw new Error('a request came past the listener')
  return envelope
}
