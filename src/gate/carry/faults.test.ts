import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { freePort } from '../../../test/support/free-port.ts'
import { upstreamFault } from './faults.ts'

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
