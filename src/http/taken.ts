import type { ServerResponse } from 'node:http'
import { LIMITS } from '../kernel/index.ts'

/**
 * An answer made here must be taken within a minute from its turn on, or its connection is cut: whoever asks and never reads would keep it for ever.
 * Not by the socket's own timeout, which would go on for the next answer on the connection, and that may rightly be silent for long.
 */
export function mustBeTaken(outgoing: ServerResponse): void {
  const begin = (): void => {
    const timer = setTimeout(() => outgoing.req.socket.destroy(), LIMITS.clientStallMsMax).unref()
    outgoing.once('close', () => clearTimeout(timer))
  }
  if (outgoing.socket === null) outgoing.once('socket', begin)
  else begin()
}
