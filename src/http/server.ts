import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { type Clock, type ErrorCode, GatewayError, LIMITS } from '../kernel/index.ts'
import { type Peer, peerOf, type TrustedNetworks } from './address.ts'
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
  readonly fetch: Fetch
  readonly exact?: () => ExactRoutes
  /** An envelope that cannot be accepted: answered and recorded by the corridor. */
  readonly turnAway: (envelope: Envelope, fault: GatewayError) => void
  /** What llhttp refused, or a connection too many: there is no request to answer, only a socket. */
  readonly refusedSocket: (address: string, code: ErrorCode, reason: string) => void
  /** Fixed for the management socket, whose caller is known by the file's mode. */
  readonly peer?: () => Peer
}

const PEERS = new WeakMap<Socket, Peer>()
const NO_ROUTES: ExactRoutes = new Map()

/** An HTTP server with the gate's limits; it listens nowhere yet. */
export function createGateServer(parts: GateServerParts): Server {
  const { clock, turnAway, trusted, exact = () => NO_ROUTES } = parts
  const hono = getRequestListener((request, env) => parts.fetch(request, env as GateEnv['Bindings']), {
    overrideGlobalObjects: false, // HTTP/1 only
    autoCleanupIncoming: false, // the corridor drops what nobody wants, within limits of its own
  })

  const listener = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const peer = PEERS.get(incoming.socket) ?? peerOf(incoming.socket, trusted())
    const { envelope, fault } = openEnvelope(incoming, outgoing, peer, trusted(), clock.monoMs())
    if (outgoing.socket === null) watchQueued(incoming.socket, outgoing)
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
  for (const [event, code] of [
    ['upgrade', 'UPGRADE_REFUSED'],
    ['connect', 'BAD_REQUEST'],
  ] as const) {
    server.on(event, (_incoming: IncomingMessage, socket: Socket) => {
      // Node has taken its own listeners off, and a reset that nobody listens for would end the process.
      socket.on('error', () => {})
      parts.refusedSocket(PEERS.get(socket)?.address ?? 'unknown', code, event)
      refuseSocket(socket, code)
    })
  }
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => onClientError(parts, error, socket))
  const connections = new Map<string, number>()
  server.on('connection', (socket) => onConnection(parts, connections, socket))
  return server
}

/** A request behind another on its connection has no socket of its own yet, so Node would not tell its response that the caller has gone. */
function watchQueued(socket: Socket, outgoing: ServerResponse): void {
  const onClose = (): void => {
    if (outgoing.socket !== null || outgoing.writableFinished) return
    outgoing.destroy()
    outgoing.emit('close')
  }
  socket.setMaxListeners(0)
  socket.on('close', onClose)
  outgoing.on('close', () => socket.off('close', onClose))
}

/** Routing sees the path that was judged and no Host: node-server would answer an odd one by itself, and nobody would record that. */
function routeAsJudged(incoming: IncomingMessage, { path, query }: Envelope): void {
  incoming.headers.host = 'gate'
  if (incoming.url?.startsWith('/') !== true) incoming.url = query === '' ? path : `${path}?${query}`
}

function onConnection(parts: GateServerParts, connections: Map<string, number>, socket: Socket): void {
  const peer = parts.peer?.() ?? peerOf(socket, parts.trusted())
  PEERS.set(socket, peer)
  if (peer.local || peer.trusted) return // behind a trusted proxy stand many callers
  const count = (connections.get(peer.address) ?? 0) + 1
  if (count > parts.connectionsPerAddressMax()) {
    parts.refusedSocket(peer.address, 'TOO_MANY_CONNECTIONS', `more than ${count - 1} connections`)
    refuseSocket(socket, 'TOO_MANY_CONNECTIONS')
    return
  }
  connections.set(peer.address, count)
  socket.once('close', () => {
    const left = (connections.get(peer.address) ?? 1) - 1
    if (left === 0) connections.delete(peer.address)
    else connections.set(peer.address, left)
  })
}

const CLIENT_ERRORS: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'BODY_TOO_SLOW',
}

function onClientError(parts: GateServerParts, error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const code = CLIENT_ERRORS[error.code ?? ''] ?? 'BAD_REQUEST'
  parts.refusedSocket(PEERS.get(socket)?.address ?? 'unknown', code, error.code ?? error.message)
  if (isAnswering(socket)) socket.destroy()
  else refuseSocket(socket, code)
}

/** In the middle of an answer a last word would be taken for a part of it. Node asks itself the same question by the same field. */
function isAnswering(socket: Socket): boolean {
  const { _httpMessage: message } = socket as Socket & { readonly _httpMessage?: ServerResponse | null } // Node's own, set while a response has the socket
  return message?.headersSent ?? false
}

/** A last word on a socket that has no response object. */
function refuseSocket(socket: Socket, code: ErrorCode): void {
  const { status, headers, body } = errorAnswer(new GatewayError(code), 'problem', '-')
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
