import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { chunk, LAST_CHUNK } from '../support/hostile.ts'
import { LAST_LINE, streamHead, type TextBackend, textBackend, token } from '../support/text-backend.ts'

let upstream: TextBackend
let gate: GatewayUnderTest
let key: string
beforeAll(async () => {
  upstream = await textBackend()
  gate = await startTestGateway({ OLLAMA_URL: upstream.url })
  key = (await gate.key()).text
})
afterAll(async () => {
  await gate.stop()
  await upstream.close()
})

const BODY = '{"model":"m","prompt":"hello"}'

/** The bytes of one answer, to the end of its connection. */
function wire(version: '1.0' | '1.1'): Promise<Buffer> {
  const socket = connect(gate.port, '127.0.0.1')
  socket.write(
    `POST /chat/api/generate HTTP/${version}\r\nhost: gate\r\nconnection: close\r\nx-api-key: ${key}\r\n` +
      `content-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`,
  )
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    socket.on('data', (part) => parts.push(part)).on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(parts)))
  })
}

const HEAD_END = '\r\n\r\n'
function parted(bytes: Buffer): { readonly head: string; readonly rest: Buffer } {
  const end = bytes.indexOf(HEAD_END)
  return { head: bytes.toString('latin1', 0, end), rest: bytes.subarray(end + HEAD_END.length) }
}

/** What the chunks hold, read as strictly as RFC 9112 writes them; throws at the first byte that is not as it says. */
function unchunked(rest: Buffer): { readonly body: Buffer; readonly left: Buffer } {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at)
    const size = /^([0-9a-f]+)$/.exec(rest.toString('latin1', at, line))?.[1]
    if (size === undefined) throw new Error(`no chunk size at byte ${at}`)
    const length = Number.parseInt(size, 16)
    const end = line + 2 + length
    if (rest.toString('latin1', end, end + 2) !== '\r\n') throw new Error(`a chunk of ${length} bytes does not end at byte ${end}`)
    parts.push(rest.subarray(line + 2, end))
    at = end + 2
    if (length === 0) return { body: Buffer.concat(parts), left: rest.subarray(at) }
  }
}

/** Around the sizes at which a hexadecimal digit is added, and at which a chunk is no longer copied. */
const SIZES = [1, 2, 15, 16, 17, 255, 256, 4_095, 4_096, 8_191, 8_192, 8_193, 65_535, 65_536, 200_000]

describe('an answer of unknown length', () => {
  const lines = (): string[] => SIZES.map((size) => `${JSON.stringify({ response: 'gate '.repeat(size).slice(0, size), done: false })}\n`)

  it('is framed as RFC 9112 says, whatever the sizes of its chunks, and is the backend’s to the byte', async () => {
    const sent = [...lines(), LAST_LINE]
    upstream.behave(async (x) => {
      await x.body()
      await x.send(streamHead)
      for (const line of sent) await x.send(chunk(line))
      await x.send(LAST_CHUNK)
    })
    const { head, rest } = parted(await wire('1.1'))
    expect(head.match(/\r\ntransfer-encoding: chunked/gi)).toHaveLength(1)
    expect(head).not.toMatch(/content-length/i)
    const { body, left } = unchunked(rest)
    expect(body.equals(Buffer.from(sent.join('')))).toBe(true)
    expect(left).toHaveLength(0)
  })

  it('to HTTP/1.0 is the bytes themselves, and ends with the connection', async () => {
    const sent = [...lines(), LAST_LINE]
    upstream.behave(async (x) => {
      await x.body()
      await x.send(streamHead)
      for (const line of sent) await x.send(chunk(line))
      await x.send(LAST_CHUNK)
    })
    const { head, rest } = parted(await wire('1.0'))
    expect(head).not.toMatch(/transfer-encoding/i)
    expect(rest.equals(Buffer.from(sent.join('')))).toBe(true)
  })

  it('that its backend breaks off ends with an error line in a chunk of its own', async () => {
    upstream.behave(async (x) => {
      await x.body()
      await x.send(streamHead)
      await x.send(chunk(token('a')))
      x.rst()
    })
    const { body, left } = unchunked(parted(await wire('1.1')).rest)
    const [first, last] = body.toString().trim().split('\n')
    expect([`${first}\n`, Object.keys(JSON.parse(last ?? ''))]).toEqual([token('a'), ['error']])
    expect(left).toHaveLength(0)
  })
})
