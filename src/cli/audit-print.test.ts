import { expect, it } from 'vitest'
import { presentLine } from './audit-print.ts'

it.each(['constructor', 'toString', '__proto__'])('a line whose event is %s is shown and not obeyed', (event) => {
  expect(presentLine(JSON.stringify({ time: '2026-11-20T08:00:00.000Z', event }))).toContain(event)
})

it.each(['intent', 'outcome', 'refused'])('a line of the event %s says which key was used, and for which service', (event) => {
  const about = {
    request: 'req_1',
    user: 'ada',
    key: 'pcl_k1',
    address: '192.0.2.7',
    method: 'POST',
    service: 'chat',
    route: '/chat/api/chat',
  }
  const line = presentLine(JSON.stringify({ time: '2026-11-20T08:00:00.000Z', event, ...about }))
  expect(line.replaceAll(/\u001b\[\d+m/g, '')).toContain(
    'request=req_1 user=ada key=pcl_k1 address=192.0.2.7 method=POST service=chat route=/chat/api/chat',
  )
})
