import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { LIMITS } from '../../src/kernel/index.ts'
import { THREAT_KINDS } from '../../src/report/index.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/report.md', import.meta.url)), 'utf8')
const kindsIn = (text: string): string[] => [...new Set([...text.matchAll(/^\| `([a-z_]+)` \|/gm)].map((match) => match[1] ?? ''))]

it('tells each kind of threat, with its figures and its reason, and none that is gone', () => {
  const [, rules = '', figures = ''] = page.split(/^## Threats$|^### How often it is right$/m)
  expect(kindsIn(rules).sort()).toEqual([...THREAT_KINDS].sort())
  expect(kindsIn(figures.split('## Blocking')[0] ?? '').sort()).toEqual([...THREAT_KINDS].sort())
  for (const kind of THREAT_KINDS) expect(rules).toContain(`- **${kind}.** `)
})

it('gives the bounds that hold', () => {
  expect(page).toContain(`exact up to ${LIMITS.reportAddressesMax.toLocaleString('en-US')}`)
  expect(page).toContain(`At most ${LIMITS.reportThreatsMax.toLocaleString('en-US')} are told`)
  expect(page).toContain(`the first ${LIMITS.reportMalformedShownMax} are named`)
  expect(page).toContain(`from the ${LIMITS.reportHabitDaysMax} days before`)
})
