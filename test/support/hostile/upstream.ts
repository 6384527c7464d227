import { createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Listening, listen } from '../server.ts'
import { bodyReader, parseHead, type SeenRequest } from './request.ts'
import { PeerLeft, Wire } from './wire.ts'

/** What a behaviour may do with the one request it was given. All of it rejects with `PeerLeft` once the peer is gone. */
export interface Exchange {
  readonly seen: SeenRequest
  readonly socket: Socket
  /** The whole body; until it is asked for, nothing of it is read and the peer's writes fill up. */
  body(): Promise<Buffer>
  /** About this much of the body, no more. */
  readSome(bytes: number): Promise<void>
  /** One TCP write; through when the kernel has it. */
  send(bytes: string | Buffer): Promise<void>
  wait(ms: number): Promise<void>
  /** Resolves when the peer has closed or reset. A peer is only noticed while somebody reads: after the body, always. */
  readonly gone: Promise<void>
  /** A clean TCP end. */
  fin(): void
  /** The end of a process that was killed: RST, and what was not sent is lost. */
  rst(): void
}

export type Behaviour = (exchange: Exchange) => void | Promise<void>
export type Script = (seen: SeenRequest) => Behaviour

export interface HostileOptions {
  /** Closes a connection that has been idle this long, as uvicorn does after 5 s. 0 keeps it. */
  readonly idleCloseMs?: number
  /** While one request is worked on, nothing else is heard: no other request, no connection, no peer that leaves. */
  readonly deaf?: boolean
  /** Sent on every new connection before anybody asked for anything. */
  readonly greeting?: string | Buffer
  /** Of each body, for looking at; all of it is counted and hashed. */
  readonly bodyBytesKept?: number
  /** Requests remembered, for long runs. */
  readonly seenMax?: number
  readonly port?: number
}

export interface HostileUpstream extends Pick<Listening, 'url' | 'port' | 'sockets' | 'close'> {
  /** Every request, in the order in which their headers were whole. */
  readonly seen: readonly SeenRequest[]
  /** Requests ever heard, remembered or not. */
  readonly requests: number
  /** Connections ever opened. */
  readonly connections: number
  /** What a behaviour threw that is not the peer's leaving: a bug of the test. */
  readonly faults: readonly unknown[]
  /** Another script for the requests from now on. */
  use(script: Script): void
}

interface Host extends Required<Pick<HostileOptions, 'idleCloseMs' | 'deaf' | 'bodyBytesKept' | 'seenMax'>> {
  script: Script
  requests: number
  readonly seen: SeenRequest[]
  readonly faults: unknown[]
  readonly closing: AbortController
  /** Requests wait for each other here when the server is deaf. */
  turn: Promise<void>
}

/** A backend that does to each request what its script says, and remembers what came. */
export async function hostileUpstream(script: Script, options: HostileOptions = {}): Promise<HostileUpstream> {
  const { idleCloseMs = 0, deaf = false, greeting, bodyBytesKept = 1024 * 1024, seenMax = 50_000, port = 0 } = options
  const turn = Promise.resolve()
  const closing = new AbortController()
  const host: Host = { script, requests: 0, seen: [], faults: [], closing, turn, idleCloseMs, deaf, bodyBytesKept, seenMax }
  let connections = 0
  // Half-open, so that a peer's FIN is seen as one and does not end our answer.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    connections += 1
    if (greeting !== undefined) socket.write(greeting)
    void converse(socket, connections, host)
  })
  const listening = await listen(server, port)
  return {
    ...listening,
    seen: host.seen,
    faults: host.faults,
    get requests() {
      return host.requests
    },
    get connections() {
      return connections
    },
    use(next) {
      host.script = next
    },
    close() {
      closing.abort()
      return listening.close()
    },
  }
}

/** One connection, request after request. */
async function converse(socket: Socket, number: number, host: Host): Promise<void> {
  const wire = new Wire(socket)
  socket.on('error', () => {}) // resets are what this server is for
  try {
    for (;;) {
      const idle = host.idleCloseMs > 0 ? setTimeout(() => socket.destroy(), host.idleCloseMs) : undefined
      const head = await wire.head()
      clearTimeout(idle)
      if (head === null) break
      const release = host.deaf ? await takeTurn(host) : null
      try {
        if (!(await attend(parseHead(head, number), wire, socket, host))) return
      } finally {
        release?.()
      }
    }
  } catch (fault) {
    if (!(fault instanceof PeerLeft)) host.faults.push(fault)
  }
  socket.destroy()
}

/** One request. True when the connection can take another. */
async function attend(seen: SeenRequest, wire: Wire, socket: Socket, host: Host): Promise<boolean> {
  host.requests += 1
  if (host.seen.length < host.seenMax) host.seen.push(seen)
  const body = bodyReader(wire, seen, { bytesKept: host.bodyBytesKept })
  const peer = host.deaf ? unheardPeer(host.closing.signal) : watchPeer(socket, seen)
  const read = async (bytes: number): Promise<void> => {
    if (/100-continue/i.test(seen.header('expect') ?? '') && seen.bodyBytes === 0) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    await body.upTo(bytes)
    if (body.whole && !host.deaf) wire.watch(true)
  }
  const exchange: Exchange = {
    seen,
    socket,
    gone: peer.gone,
    readSome: read,
    body: async () => {
      await read(Number.POSITIVE_INFINITY)
      return seen.body
    },
    send: (bytes) => write(socket, bytes, seen),
    wait: (ms) => rest(ms, peer.signal),
    fin() {
      peer.stop()
      socket.end(() => socket.destroy()) // an unread body makes the kernel send a reset after all, as it does in life
    },
    rst() {
      peer.stop()
      socket.resetAndDestroy()
    },
  }
  try {
    if (bodyless(seen)) await read(Number.POSITIVE_INFINITY)
    await host.script(seen)(exchange)
  } finally {
    seen.doneMs = performance.now()
    peer.stop()
    wire.watch(false)
  }
  if (socket.destroyed || socket.writableEnded) return false
  await body.upTo(Number.POSITIVE_INFINITY) // what nobody read is drained, to find the next request behind it
  return true
}

const bodyless = (seen: SeenRequest): boolean =>
  seen.header('transfer-encoding') === undefined && Number(seen.header('content-length') ?? 0) === 0

interface Peer {
  readonly gone: Promise<void>
  readonly signal: AbortSignal
  stop(): void
}

function watchPeer(socket: Socket, seen: SeenRequest): Peer {
  const controller = new AbortController()
  let resolve = (): void => {}
  const gone = new Promise<void>((done) => {
    resolve = done
  })
  const onGone = (): void => {
    seen.leftMs ??= performance.now()
    controller.abort()
    resolve()
  }
  socket.once('end', onGone).once('error', onGone).once('close', onGone)
  const stop = (): void => void socket.off('end', onGone).off('error', onGone).off('close', onGone)
  return { gone, signal: controller.signal, stop }
}

/** A deaf server learns that its peer has left when a write fails, if ever. */
const unheardPeer = (closing: AbortSignal): Peer => ({
  gone: new Promise((resolve) => closing.addEventListener('abort', () => resolve(), { once: true })),
  signal: closing,
  stop() {},
})

/** Waits until nobody else is worked on; gives back what ends the turn. */
async function takeTurn(host: Host): Promise<() => void> {
  const before = host.turn
  let done = (): void => {}
  host.turn = new Promise((resolve) => {
    done = resolve
  })
  await before
  return done
}

function write(socket: Socket, bytes: string | Buffer, seen: SeenRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed || socket.writableEnded) return reject(new PeerLeft('before a write'))
    socket.write(bytes, (fault) => {
      if (fault) {
        seen.leftMs ??= performance.now()
        return reject(new PeerLeft('during a write'))
      }
      seen.sentBytes += Buffer.byteLength(bytes)
      resolve()
    })
  })
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal })
  } catch {
    throw new PeerLeft('while it waited')
  }
}
