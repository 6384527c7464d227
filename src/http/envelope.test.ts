import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { trustedNetworks } from './address.ts'
import { openEnvelope } from './envelope.ts'

const nobody = trustedNetworks([])

function isLoopback(headers: readonly string[], peerIsLoopback = true): boolean {
  const incoming = new IncomingMessage(new Socket())
  Object.assign(incoming, { url: '/status', method: 'GET', httpVersion: '1.1', rawHeaders: headers })
  const peer = { address: peerIsLoopback ? '127.0.0.1' : '192.0.2.1', loopback: peerIsLoopback, trusted: false, local: false }
  return openEnvelope(incoming, new ServerResponse(incoming), peer, nobody, 0).envelope.loopback
}

describe('a neighbour on loopback', () => {
  it.each(['localhost', 'LOCALHOST:8080', '127.0.0.1', '127.0.0.1:8080', '127.8.9.10:80', '[::1]', '[::1]:8080'])('asks for %s', (host) => {
    expect(isLoopback(['Host', host])).toBe(true)
    expect(isLoopback(['Host', host], false)).toBe(false)
  })

  it.each([
    'rebound.example',
    '127.0.0.1.rebound.example',
    'localhost.rebound.example:8080',
    '192.0.2.1',
    '[::2]',
    'x@127.0.0.1',
    '127.0.0.1:',
  ])('is none when it asks for %s, a name that was rebound', (host) => expect(isLoopback(['Host', host])).toBe(false))

  it('is none when a web page asks through its browser, which says so', () =>
    expect([isLoopback(['Host', 'localhost']), isLoopback(['Host', 'localhost', 'Origin', 'https://somewhere.example'])]).toEqual([
      true,
      false,
    ]))

  it.each([
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'x-forwarded-proto',
    'X-Forwarded-Tls-Client-Cert',
    'Tailscale-User-Login',
    'tailscale-user-name',
    'True-Client-IP',
    'X-Client-Ip',
    'Fly-Client-IP',
    'Forwarded',
    'X-Real-IP',
    'CF-Connecting-IP',
    'Via',
  ])('is none when %s tells of somebody behind it', (name) => {
    expect(isLoopback(['Host', 'localhost', name, 'a'])).toBe(false)
    expect(isLoopback([name, 'a', 'Host', 'localhost', 'Accept', '*/*'])).toBe(false)
  })

  it.each(['X-Request-Id', 'TE', 'Traceparent', 'X-Forwarded', 'X-Client', 'Keep-Ip'])('stays one with %s', (name) => {
    expect(isLoopback(['Host', 'localhost', name, 'a'])).toBe(true)
  })
})
