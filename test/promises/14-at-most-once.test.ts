import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Breaks } from '../support/breaks.ts'
import { call, generate } from '../support/caller.ts'
import { type ChaosProxy, chaosProxy } from '../support/chaos-proxy.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { generation, type TextBackend, textBackend } from '../support/text-backend.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
/** The short form breaks at every ninth byte; the long one at every byte. */
const STRIDE = LONG ? 1 : 9

let upstream: TextBackend
let proxy: ChaosProxy
let gate: GatewayUnderTest
let key: TestKey
beforeAll(async () => {
  upstream = await textBackend(generation())
  proxy = await chaosProxy(upstream.port)
  gate = await startTestGateway({ OLLAMA_URL: proxy.url, AUDIT_SYNC: 'write', CHAT_FIRST_BYTE: '300ms', CHAT_IDLE: '300ms' })
  key = await gate.key({ concurrency: 0 })
})
afterAll(async () => {
  await gate.stop()
  await proxy.close()
  await upstream.close()
})

const newBreaks = (): Breaks =>
  new Breaks({
    proxy,
    ask: () => call(gate.port, generate(key.text, { stream: true })),
    asked: () => upstream.asked,
    forget: () => upstream.forget(),
    quiet: () => gate.quiet(),
    dropKept() {
      for (const socket of upstream.sockets) socket.resetAndDestroy()
    },
    answerBytesMin: 300,
  })

const HOWS = ['rst', 'fin'] as const

describe('promise 14: a generation is sent to a backend at most once', () => {
  it('whichever byte of an exchange the connection breaks at, its first or its second', { timeout: 900_000 }, async () => {
    const breaks = newBreaks()
    const { up, down } = await breaks.measure()
    for (const [direction, bytes] of [
      ['up', up],
      ['down', down],
    ] as const) {
      for (const how of HOWS) {
        for (let atByte = 0; atByte <= bytes * 2; atByte += STRIDE) await breaks.askUntilBroken({ direction, atByte, how })
      }
    }
    const { count, tally } = breaks
    process.stdout.write(
      `promise 14: ${count} breaks at every ${STRIDE === 1 ? '' : `${STRIDE}th `}byte of two exchanges on one connection (${up} bytes up, ${down} down each), by FIN and RST; ${tally.asked} requests, ${tally.reached} reached the backend, duplicates ${tally.duplicates.length}\n`,
    )
    expect(tally.duplicates).toEqual([])
    expect(tally.invited).toEqual([])
    expect(count).toBeGreaterThan(200)
    expect(tally.reached).toBeGreaterThan(tally.asked / 3)
  })

  it('nor when it stalls until our deadline', { timeout: 300_000 }, async () => {
    const breaks = newBreaks()
    const { up, down } = await breaks.measure()
    const shares = LONG ? Array.from({ length: 12 }, (_value, n) => n / 11) : [0, 0.5, 0.99, 1]
    for (const [direction, bytes] of [
      ['up', up],
      ['down', down],
    ] as const) {
      for (const share of shares) await breaks.askUntilBroken({ direction, atByte: Math.round(bytes * share), how: 'stall' })
    }
    const { count, tally } = breaks
    process.stdout.write(`promise 14: ${count} stalls, ${tally.asked} requests, duplicates ${tally.duplicates.length}\n`)
    expect(tally.duplicates).toEqual([])
    expect(tally.invited).toEqual([])
  })
})
