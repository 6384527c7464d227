import { credentialOf, type Envelope } from '../../http/index.ts'
import { GatewayError, holdsKey, unescaped } from '../../kernel/index.ts'

/**
 * A key in what goes on of a URL, or into one: the backend would have it, and so would its access log. UUIDs have other uses in URLs, so of a key from before
 * only its own caller's is known for one.
 */
export function refuseKeyInUrl(envelope: Envelope, parts: readonly string[]): void {
  const own = credentialOf(envelope)
  for (const part of parts) {
    if (part === '') continue
    const plain = unescaped(part)
    if (!holdsKey(plain) && (own === '' || !plain.includes(own))) continue
    throw new GatewayError('BAD_REQUEST', {
      detail:
        "A key stands in the URL, or in what goes into the backend's, and would be in its logs; send it as X-API-Key and nowhere else",
      reason: 'a key in the URL',
    })
  }
}
