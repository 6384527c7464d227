import { expect, it } from 'vitest'
import { withChanges } from './changes.ts'

it.each([
  [{ price_in: '0.15', rpm: 60, active: false }, 'fast price_in=0.15 rpm=60 active=false'],
  [{ rate: null, rights: ['chat', 'tts'] }, 'fast rate=none rights=chat,tts'],
  [{ organisation: 'Analytical Engines' }, 'fast organisation="Analytical Engines"'],
  [{ description: '\u001b[2J' }, 'fast description=\\u001b[2J'],
  [{ options: { num_ctx: 8_192 } }, 'fast options={"num_ctx":8192}'],
  [{ endpoints: [{ endpoint: 'one', upstream: null }] }, 'fast endpoints=[{"endpoint":"one","upstream":n…'],
  [{ name: 'fast' }, 'fast'],
  [null, 'fast'],
])('of %j the ledger is told what has changed', (body, told) => {
  expect(withChanges('fast', body)).toBe(told)
})

it("tells nobody a provider's key, but that there is one now, or none", () => {
  expect(withChanges('end_1 cloud', { key: 'sk-provider-0123' })).toBe('end_1 cloud key=set')
  expect(withChanges('end_1 cloud', { key: null })).toBe('end_1 cloud key=none')
})
