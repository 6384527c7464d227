import { describe, expect, it } from 'vitest'
import { parseRouteLine } from './routes.ts'

describe('a route line', () => {
  it('is a method and a path, and a path on the backend where that is another', () => {
    expect(parseRouteLine('GET /jobs/:id{[0-9]{1,8}} -> /v1/jobs/:id')).toEqual({
      method: 'GET',
      path: '/jobs/:id{[0-9]{1,8}}',
      upstream: '/v1/jobs/:id',
    })
  })

  it.each(['GET /x/:id{[0-9+}', 'GET /x/:id{(a}/y', 'GET /x/:id{a)(b}', 'GET /x/:id{*}'])(
    'with a mistyped expression is a fault: %s',
    (line) => {
      expect(parseRouteLine(line)).toMatch(/holds no expression \(.+\) in \/x\/:id/)
    },
  )
})
