import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LoggingFront, loggingFront } from '../support/caddy-log.ts'
import { rawExchange } from '../support/raw-http.ts'
import { lacking, named } from '../support/tools.ts'
import { until } from '../support/until.ts'

const reason = lacking('caddy')
const CANARY = 'CANARY0123456789abcdef'
const SECRET_HEADERS = [
  'X-API-Key',
  'Authorization',
  'Proxy-Authorization',
  'Cookie',
  'Referer',
  'Api-Key',
  'X-Goog-Api-Key',
  'X-Admin-Key',
  'X-Unheard-Of',
]
const SECRET_TARGETS = [`/chat?api_key=${CANARY}`, `/pcl_${CANARY}`, `/chat/PCL_${CANARY}/x`, `/v1/sk-${CANARY}?x`, `/chat?#${CANARY}`]

interface AccessLine {
  readonly ts: string
  readonly user_id: string
  readonly status: number
  readonly resp_headers: Readonly<Record<string, readonly string[]>>
  readonly request: { readonly method: string; readonly uri: string; readonly remote_ip: string; readonly headers?: unknown }
}

describe.skipIf(reason)(named('the access log', reason), () => {
  let front: LoggingFront
  beforeAll(async () => {
    front = await loggingFront((req, res) => {
      res.setHeader('x-request-id', 'req_1')
      res.setHeader('set-cookie', `session=${CANARY}`)
      res.setHeader('location', `/?token=${CANARY}`)
      req.resume().once('end', () => res.end(CANARY))
    })
  })
  afterAll(() => front?.close())

  const send = (target: string, headers: readonly string[]) =>
    rawExchange(
      front.caddy.port,
      [`POST ${target} HTTP/1.1`, 'Host: gate', 'Connection: close', ...headers, 'Content-Length: 0', '', ''].join('\r\n'),
    )

  test('holds no secret, wherever a caller puts one', async () => {
    let sent = 0
    for (const header of SECRET_HEADERS) {
      await send('/chat', [`${header}: ${CANARY}`, 'X-Forwarded-For: 203.0.113.9'])
      await send('/chat', [`${header}: ${CANARY}`, 'X-API-Key: k'])
      sent += 2
    }
    for (const target of SECRET_TARGETS) {
      await send(target, ['X-API-Key: k'])
      await send(target, [])
      sent += 2
    }
    await front.gatekeeper.close()
    await send('/chat', [`X-API-Key: ${CANARY}`])
    sent += 1
    const text = await until(() => wholeLog(front.file, sent), { withinMs: 5_000, what: `${sent} lines in the access log` })
    const sinks = [text, front.caddy.stdout(), front.caddy.stderr()]
    for (const sink of sinks) expect(sink).not.toContain(CANARY)
    for (const name of readdirSync(front.folder)) expect(readFileSync(join(front.folder, name), 'latin1')).not.toContain(CANARY)

    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as AccessLine) // the shape is what the rest of this test asserts
    expect(lines.every(({ request }) => request.headers === undefined)).toBe(true)
    // The last is 503, or 502 when it went out on a connection that was open still as the gatekeeper left.
    expect(new Set(lines.map(({ status }) => (status === 502 ? 503 : status)))).toEqual(new Set([200, 401, 503]))
    // What the report needs of a probe without a key: when, from where, what, and the answer.
    for (const { status, resp_headers } of lines)
      expect([status, resp_headers['X-Request-Id']]).toEqual([status, status === 200 ? ['req_1'] : undefined])
    const probe = lines.find(({ status, user_id }) => status === 401 && user_id === '203.0.113.9')
    expect(probe).toMatchObject({ request: { method: 'POST', uri: '/chat', remote_ip: '127.0.0.1' } })
    expect(Date.parse(probe?.ts ?? '')).toBeGreaterThan(0)
    expect(lines.map(({ request }) => request.uri).filter((uri) => uri.includes('…'))).toHaveLength(2 * SECRET_TARGETS.length)
  })
})

function wholeLog(file: string, lines: number): string {
  try {
    const text = readFileSync(file, 'utf8')
    return text.split('\n').length > lines ? text : ''
  } catch {
    return ''
  }
}
