import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'

export interface Listening {
  readonly port: number
  readonly url: string
  /** Connections that are open now. */
  readonly sockets: ReadonlySet<Socket>
  /** Ends at once, whatever is still going on. */
  close(): Promise<void>
}

/** Puts a server (node:http's is one too) on a free loopback port. */
export async function listen(server: Server, port = 0): Promise<Listening> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const { port: got } = server.address() as AddressInfo // a TCP server's address is never a pipe name
  return {
    port: got,
    url: `http://127.0.0.1:${got}`,
    sockets,
    async close() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
