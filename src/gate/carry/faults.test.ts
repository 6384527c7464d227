import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { freePort } from '../../../test/support/free-port.ts'
import { failedAtOnce, upstreamFault } from './faults.ts'

const failed = (code: string, syscall?: string): Error =>
  Object.assign(new Error(`${syscall ?? ''} ${code}`), { code, ...(syscall && { syscall }) })
const thrownBy = (port: number, host: string): Promise<Error> =>
  new Promise((resolve) => connect({ port, host, autoSelectFamily: true }).on('error', resolve))

it('only a connection that never stood is one on which nothing can have been done', async () => {
  const port = await freePort()
  for (const host of ['127.0.0.1', 'localhost', 'no-such-name.invalid'])
    expect(upstreamFault(await thrownBy(port, host), 'chat').code).toBe('UPSTREAM_UNREACHABLE')
  expect(upstreamFault(failed('UND_ERR_CONNECT_TIMEOUT'), 'chat').code).toBe('UPSTREAM_UNREACHABLE')
  expect(upstreamFault(new AggregateError([failed('ETIMEDOUT', 'connect'), failed('ENETUNREACH', 'connect')]), 'chat').code).toBe(
    'UPSTREAM_UNREACHABLE',
  )
  for (const code of ['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ECONNRESET', 'ECONNREFUSED'])
    for (const syscall of ['read', 'write', undefined]) expect(upstreamFault(failed(code, syscall), 'chat').code).toBe('UPSTREAM_DIED')
  expect(upstreamFault(new AggregateError([failed('ETIMEDOUT', 'connect'), failed('ETIMEDOUT', 'read')]), 'chat').code).toBe(
    'UPSTREAM_DIED',
  )
  expect(upstreamFault(new AggregateError([]), 'chat').code).toBe('UPSTREAM_DIED')
})

it.each([
  ['a sound that died before its first byte', ['upstream_died', false, undefined], true],
  ['a sound that never came after its head', ['deadline', false, undefined], true],
  ['a sound that stalled later', ['deadline', true, undefined], false],
  ['a sound that died later', ['upstream_died', true, undefined], false],
  ['a stream that had begun in vain', ['upstream_died', true, { finished: false, failed: false }], true],
  ['a stream of which something was read', ['upstream_died', true, { finished: false, failed: false, units: { tokens_out: 1 } }], false],
  ['counts that nobody was told', ['upstream_died', false, { finished: false, failed: false, units: { tokens_in: 1 } }], true],
  ['an error with status 200', ['upstream_died', true, { finished: true, failed: true }], true],
  ['a caller who left', ['client_closed', false, { finished: false, failed: false }], false],
] as const)('nothing is paid for what failed at once, as %s', (_what, [ended, passed, report], failed) => {
  expect(failedAtOnce(ended, passed, report)).toBe(failed)
})
