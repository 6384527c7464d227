import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/kernel/index.ts'
import { analyse, findInputs } from '../../src/report/index.ts'
import { type LoggingFront, loggingFront } from '../support/caddy-log.ts'
import { rawExchange } from '../support/raw-http.ts'
import { lacking, named } from '../support/tools.ts'
import { until } from '../support/until.ts'

const reason = lacking('caddy')
const WALK = ['/.env', '/wp-login.php', '/chat/api/tags', '/admin/keys', '/v1/models', '/chat/../../etc/passwd']

describe.skipIf(reason)(named("a report from the front's log", reason), () => {
  let front: LoggingFront
  beforeAll(async () => {
    front = await loggingFront((req, res) => {
      res.setHeader('x-request-id', 'req_1')
      res.statusCode = 401
      req.resume().once('end', () => res.end('{}'))
    })
  })
  afterAll(() => front?.close())

  const send = (target: string, address: string, ...headers: string[]) =>
    rawExchange(
      front.caddy.port,
      [`GET ${target} HTTP/1.1`, 'Host: gate', 'Connection: close', `X-Forwarded-For: ${address}`, ...headers, '', ''].join('\r\n'),
    )

  test('counts calls without a key, by the address the front found, and leaves the rest to the ledger', async () => {
    for (const path of WALK) await send(path, '203.0.113.9')
    for (let n = 0; n < 12; n += 1) await send('/chat/api/tags', '203.0.113.10', 'X-API-Key: wrong')
    const lines = WALK.length + 12
    await until(() => readFileSync(front.file, 'utf8').split('\n').length > lines, {
      withinMs: 5_000,
      what: `${lines} lines in the access log`,
    })

    const { inputs } = await findInputs([front.file])
    const { summary, threats } = await analyse(inputs, { clock: systemClock, stdin: process.stdin })
    expect(summary.lines).toMatchObject({ read: lines, malformed: 0, passed_on: 12 })
    expect(summary.denied).toMatchObject({ total: WALK.length, by_address: [{ address: '203.0.113.9', denied: WALK.length }] })
    expect(threats.map(({ kind, subject }) => `${kind} ${subject.id}`)).toEqual(['probing 203.0.113.9', 'path_tricks 203.0.113.9'])
  })
})
