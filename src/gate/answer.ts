import type { LocalAnswer } from '../dialects/index.ts'
import { mustBeTaken } from '../http/index.ts'
import type { Ended, Visit } from './visit.ts'

/** The other way to perform: an answer made here, sent and recorded like any that was carried. */
export async function answer(visit: Visit, make: (visit: Visit) => LocalAnswer | Promise<LocalAnswer>): Promise<Ended> {
  const { status, headers, body } = await make(visit)
  const { outgoing, id } = visit.envelope
  const bytesOut = Buffer.byteLength(body)
  if (outgoing.destroyed) return { ended: 'client_closed', status: 0, bytesOut: 0 }
  mustBeTaken(outgoing)
  outgoing.writeHead(status, { ...headers, 'x-request-id': id, 'content-length': bytesOut })
  outgoing.end(body)
  return { ended: 'complete', status, bytesOut }
}

export const jsonAnswer = (status: number, value: unknown): LocalAnswer => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
  body: `${JSON.stringify(value)}\n`,
})
