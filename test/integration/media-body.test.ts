import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Envelope, openEnvelope, peerOf, Room, readBody, trustedNetworks, Upload } from '../../src/http/index.ts'
import { LIMITS } from '../../src/kernel/index.ts'
import { until } from '../support/until.ts'

const closers: (() => void)[] = []
afterEach(() => {
  vi.useRealTimers()
  for (const close of closers.splice(0)) close()
})

/** A real request that is still being sent, and what its server has of it. */
async function arriving(): Promise<{ envelope: Envelope; sender: ReturnType<typeof request>; closed: () => boolean }> {
  const nobody = trustedNetworks([])
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a TCP listener has one
  const sender = request({ port, host: '127.0.0.1', method: 'POST', agent: false })
  sender.on('error', () => {})
  sender.write('first ')
  const [incoming, outgoing] = (await once(server, 'request')) as [IncomingMessage, ServerResponse] // what this event carries
  const { envelope } = openEnvelope(incoming, outgoing, peerOf(incoming.socket, nobody), nobody, 0)
  closers.push(() => {
    sender.destroy()
    server.close()
    server.closeAllConnections()
  })
  return { envelope, sender, closed: () => incoming.socket.destroyed }
}

const nextTurns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

describe('an upload', () => {
  it('is whole when its request has closed before the last byte was taken', async () => {
    const { envelope, sender } = await arriving()
    const upload = new Upload(envelope, 1_000_000)
    const closed = once(envelope.incoming, 'close')
    upload.read(0)
    sender.end('last')
    await closed
    await nextTurns()
    expect(upload.destroyed).toBe(false)
    const parts = await upload.toArray()
    expect(String(Buffer.concat(parts))).toBe('first last')
  })

  it('is cut when its caller leaves before the end', async () => {
    const { envelope, sender } = await arriving()
    const upload = new Upload(envelope, 1_000_000)
    upload.resume()
    sender.destroy()
    await expect(once(upload, 'end')).rejects.toMatchObject({ code: 'BODY_INCOMPLETE' })
  })

  it('is cut when its caller has left before anybody asked for it', async () => {
    const { envelope, sender } = await arriving()
    sender.destroy()
    await until(() => envelope.incoming.closed, { withinMs: 2_000, what: 'the request to be closed' })
    const upload = new Upload(envelope, 1_000_000)
    upload.resume()
    await expect(once(upload, 'end')).rejects.toMatchObject({ code: 'BODY_INCOMPLETE' })
    await expect(readBody(envelope, 1_000_000, new Room(LIMITS.bodiesInMemoryBytesMax).of('ada'))).rejects.toMatchObject({
      code: 'BODY_INCOMPLETE',
    })
  })

  it('that nobody wants any more may come for a while, and no longer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { envelope, sender, closed } = await arriving()
    new Upload(envelope, 1_000_000).destroy()
    sender.write('more ')
    await nextTurns()
    vi.advanceTimersByTime(LIMITS.unwantedBodyMsMax - 1)
    expect(closed()).toBe(false)
    vi.advanceTimersByTime(1)
    expect(closed()).toBe(true)
  })

  it('that nobody wants any more leaves its connection alone once it has ended', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { envelope, sender, closed } = await arriving()
    new Upload(envelope, 1_000_000).destroy()
    const ended = once(envelope.incoming, 'close')
    sender.end('last')
    await ended
    vi.advanceTimersByTime(LIMITS.unwantedBodyMsMax * 2)
    expect(closed()).toBe(false)
  })
})

describe('a body that is read whole', () => {
  it('has its bytes of the room, and none when it does not come whole', async () => {
    const room = new Room(40)
    const ada = room.of('ada')
    const whole = await arriving()
    whole.sender.end('last')
    expect(String(await readBody(whole.envelope, 1_000, ada))).toBe('first last')
    expect(room.bytes).toBe(10)
    const cut = await arriving()
    const reading = readBody(cut.envelope, 1_000, room.of('eve'))
    cut.sender.destroy()
    await expect(reading).rejects.toMatchObject({ code: 'BODY_INCOMPLETE' })
    expect(room.bytes).toBe(10)
    ada.give(10)
    expect(room.bytes).toBe(0)
  })

  it('of one caller cannot take the room of the others', async () => {
    const room = new Room(40)
    room.of('eve').take(10)
    const more = await arriving()
    await expect(readBody(more.envelope, 1_000, room.of('eve'))).rejects.toMatchObject({ code: 'BODIES_FULL' })
    const other = await arriving()
    other.sender.end()
    expect(String(await readBody(other.envelope, 1_000, room.of('ada')))).toBe('first ')
  })

  it('finds no room when all have taken theirs', async () => {
    const room = new Room(40)
    for (const caller of ['a', 'b', 'c', 'd']) room.of(caller).take(10)
    const { envelope } = await arriving()
    await expect(readBody(envelope, 1_000, room.of('e'))).rejects.toMatchObject({ code: 'BODIES_FULL' })
    expect(room.bytes).toBe(40)
  })
})
