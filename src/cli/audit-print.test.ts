import { expect, it } from 'vitest'
import { presentLine } from './audit-print.ts'

it.each(['constructor', 'toString', '__proto__'])('a line whose event is %s is shown and not obeyed', (event) => {
  expect(presentLine(JSON.stringify({ time: '2026-11-20T08:00:00.000Z', event }))).toContain(event)
})
