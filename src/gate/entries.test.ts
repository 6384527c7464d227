import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { openEnvelope, trustedNetworks } from '../http/index.ts'
import { GatewayError } from '../kernel/index.ts'
import { billOf } from './bill.ts'
import { intentOf, outcomeOf, refusalOf } from './entries.ts'
import { Visit } from './visit.ts'

function visitWith(text: string): Visit {
  const incoming = new IncomingMessage(new Socket())
  Object.assign(incoming, {
    url: `/chat/${text}`,
    method: 'GET',
    httpVersion: '1.1',
    rawHeaders: ['Host', 'gate.example', 'User-Agent', text],
  })
  const peer = { address: '192.0.2.1', loopback: false, trusted: false, local: false }
  const { envelope } = openEnvelope(incoming, new ServerResponse(incoming), peer, trustedNetworks([]), 0)
  const visit = new Visit(envelope, { who: 'key', right: 'observe', service: 'chat', route: '/chat', errors: 'problem' })
  visit.model = text
  visit.target = text
  return visit
}

/** The caller's text as each field of each entry shows it. */
function shown(text: string): readonly unknown[] {
  const visit = visitWith(text)
  const error = new GatewayError('BAD_REQUEST', { reason: text })
  const end = { ended: 'refused', status: 400, bytesOut: 0, error } as const
  const outcome = outcomeOf(visit, end, billOf(visit, end), 1)
  const refusal = refusalOf(visit, error, undefined)
  return [intentOf(visit), outcome, refusal]
    .flatMap(({ agent, model, target }) => [agent, model, target])
    .concat([outcome.reason, refusal.reason, refusal.path?.replace('/chat/', '')])
}

it.each([
  ['a-pcl_ab12_S3cretS3cret-b', 'a-pcl_ab12_…-b'],
  ['PCL_ab12_S3cretS3cret', 'PCL_ab12_…'],
  ['x=0f8fad5b-d9cb-469f-a165-70867728950e&y', 'x=0f8fad5b-…&y'],
  ['0F8FAD5B-D9CB-469F-A165-7086', '0F8FAD5B-…'],
  ['pcl_a_b,pcl_c_d', 'pcl_a_…,pcl_c_…'],
  ['%70cl%5Fab12%5fS3cret', 'pcl_ab12_…'],
  ['pcl%255Fab12%25255FS3cret', 'pcl_ab12_…'],
  ['0f8fad5b%2Dd9cb%2D469f%2Da165%2D70867728950e', '0f8fad5b-…'],
])('no field of an entry holds the key of %s', (text, expected) => {
  expect(shown(text)).toEqual(Array.from({ length: 12 }, () => expected))
})

it.each(['50%25', 'a%zz%20b', 'llama3.2:3b', 'phi-20251101-v1', 'pcl_', 'qwen-20250101-12'])('%s is written as it came', (text) => {
  expect(shown(text)).toEqual(Array.from({ length: 12 }, () => text))
})
