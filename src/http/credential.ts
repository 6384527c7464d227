import { GatewayError } from '../kernel/index.ts'
import type { Envelope } from './envelope.ts'

const BEARER = /^Bearer +(\S+) *$/i

/**
 * The one credential of a request, or '' when there is none. Two that agree are one; two that differ are refused, because guessing
 * would let whoever adds a header choose who is charged. `Basic` is not ours: proxies and backends have their own uses for it.
 */
export function credentialOf({ headers }: Envelope): string {
  const { apiKey, authorization } = headers
  const bearer = authorization === '' ? '' : (BEARER.exec(authorization)?.[1] ?? '')
  if (apiKey !== '' && bearer !== '' && apiKey !== bearer) {
    throw new GatewayError('CREDENTIAL_CONFLICT', {
      detail: 'X-API-Key and Authorization: Bearer hold different keys; remove one of the two',
      reason: 'X-API-Key and Bearer differ',
    })
  }
  return apiKey !== '' ? apiKey : bearer
}
