import { once } from 'node:events'
import { connect } from 'node:net'

/** Sends exactly these bytes and gives back all that comes until the peer closes: clients that mend a path cannot test one. */
export async function rawExchange(port: number, bytes: string | Buffer, { from = '127.0.0.1', withinMs = 5_000 } = {}): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  let text = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    text += chunk
  })
  socket.setTimeout(withinMs, () => socket.destroy(new Error(`no end of the answer within ${withinMs} ms; so far: ${text.slice(0, 200)}`)))
  await once(socket, 'connect')
  socket.write(bytes)
  await once(socket, 'close')
  return text
}

/** Status and body of an answer read whole; the body as it stands, chunk sizes included. */
export function parseAnswer(text: string): { status: number; head: string; body: string } {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  return { status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0), head, body: rest.join('\r\n\r\n') }
}
