import { connect, createServer, type Socket } from 'node:net'
import { listen } from './server.ts'

/** Where a connection breaks. `up` counts bytes from the client, `down` bytes from the server; 0 breaks before the first. */
export interface ChaosCut {
  readonly direction: 'up' | 'down'
  readonly atByte: number
  /** `stall` passes nothing more in either direction and keeps both connections open. */
  readonly how: 'rst' | 'fin' | 'stall'
}

export interface ChaosConnection {
  up: number
  down: number
  cut: boolean
}

export interface ChaosProxy {
  readonly url: string
  readonly port: number
  /** One entry for each connection ever made, in order. */
  readonly connections: readonly ChaosConnection[]
  /** Another plan for connections from now on; null lets them pass. */
  use(plan: (connection: number) => ChaosCut | null): void
  close(): Promise<void>
}

/** Passes TCP on to a loopback port and breaks connections where its plan says: exactly that many bytes go through, and not one more. */
export async function chaosProxy(targetPort: number, plan: (connection: number) => ChaosCut | null = () => null): Promise<ChaosProxy> {
  const connections: ChaosConnection[] = []
  const servers = new Set<Socket>()
  let planOf = plan
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const record: ChaosConnection = { up: 0, down: 0, cut: false }
    connections.push(record)
    const upstream = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    servers.add(upstream)
    upstream.once('close', () => servers.delete(upstream))
    join(client, upstream, record, planOf(connections.length))
  })
  const { port, url, close } = await listen(server)
  return {
    url,
    port,
    connections,
    use(next) {
      planOf = next
    },
    async close() {
      for (const socket of servers) socket.destroy()
      await close()
    },
  }
}

function join(client: Socket, upstream: Socket, record: ChaosConnection, cut: ChaosCut | null): void {
  const sever = (): void => {
    record.cut = true
    if (cut?.how === 'stall') {
      client.pause()
      upstream.pause()
    } else if (cut?.how === 'fin') {
      client.end(() => client.destroy())
      upstream.end(() => upstream.destroy())
    } else {
      client.resetAndDestroy()
      upstream.resetAndDestroy()
    }
  }
  for (const socket of [client, upstream]) {
    socket.on('error', () => {})
    socket.once('close', () => {
      if (!record.cut) for (const other of [client, upstream]) other.destroy()
    })
  }
  carry(client, upstream, 'up', record, cut, sever)
  carry(upstream, client, 'down', record, cut, sever)
  if (cut?.atByte === 0) sever()
}

function carry(from: Socket, to: Socket, direction: 'up' | 'down', record: ChaosConnection, cut: ChaosCut | null, sever: () => void): void {
  const limit = cut?.direction === direction ? cut.atByte : Number.POSITIVE_INFINITY
  from.on('data', (data: Buffer) => {
    if (record.cut) return
    const part = data.subarray(0, limit - record[direction])
    record[direction] += part.length
    const last = record[direction] >= limit
    if (last) record.cut = true // from here on nothing passes, in neither direction
    // A reset throws away what the kernel has not sent, so it waits until the last bytes are out.
    const room = to.write(part, () => last && sever())
    if (!room) {
      from.pause()
      to.once('drain', () => from.resume())
    }
  })
  from.once('end', () => {
    if (!record.cut) to.end()
  })
}
