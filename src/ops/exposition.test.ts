import { describe, expect, it } from 'vitest'
import { exposed, Spread } from './exposition.ts'

describe('the text that Prometheus reads', () => {
  it('has a help and a type before the samples of each family', () => {
    const text = exposed([
      { name: 'calls_total', help: 'Calls', type: 'counter', samples: [{ labels: { service: 'chat', status: '200' }, value: 3 }] },
      { name: 'ok', help: 'Fine', type: 'gauge', samples: [{ value: 1 }] },
    ])
    expect(text).toBe(
      '# HELP calls_total Calls\n# TYPE calls_total counter\ncalls_total{service="chat",status="200"} 3\n\n# HELP ok Fine\n# TYPE ok gauge\nok 1\n',
    )
  })

  it('counts in each bucket what is not above its bound, the bound itself included', () => {
    const seconds = new Spread([0.1, 1])
    for (const value of [0.05, 0.1, 0.5, 7]) seconds.observe(value)
    expect(
      exposed([{ name: 't', help: 'T', type: 'histogram', samples: [{ value: seconds }] }])
        .split('\n')
        .slice(2),
    ).toEqual(['t_bucket{le="0.1"} 2', 't_bucket{le="1"} 3', 't_bucket{le="+Inf"} 4', 't_sum 7.65', 't_count 4', ''])
  })

  it('keeps a label from ending its own quotes', () => {
    const text = exposed([{ name: 'n', help: 'N', type: 'gauge', samples: [{ labels: { service: 'a"b\\c\nd' }, value: 0 }] }])
    expect(text).toContain('n{service="a\\"b\\\\c\\nd"} 0\n')
  })
})
