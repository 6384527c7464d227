import type { ServerResponse } from 'node:http'
import { mustBeTaken } from '../../http/index.ts'
import { endFramed, type Framing, writeFramed } from './framing.ts'

/**
 * Ends an answer that was begun and cannot be finished: by its format's own words for that, or by a cut that nobody takes for an end.
 * Where the length was announced there is no room for words.
 */
export function breakOff(outgoing: ServerResponse, framing: Framing, lastWords: string | null): void {
  if (outgoing.destroyed) return
  // An answer that was ended and still waits behind a slow reader, or behind another answer on its connection, takes no more words.
  if (outgoing.writableEnded)
    outgoing.req.socket.destroy() // its own socket is given to it only when its turn comes
  else if (lastWords !== null && framing !== 'sized') {
    mustBeTaken(outgoing) // nobody watches any more whether they are taken
    writeFramed(outgoing, framing, Buffer.from(lastWords))
    endFramed(outgoing, framing)
  } else if (framing !== 'node' || outgoing.chunkedEncoding) outgoing.destroy()
  else {
    outgoing.req.socket.resetAndDestroy() // to HTTP/1.0, which nginx speaks to its backends, a closed connection is how every answer ends
  }
}
