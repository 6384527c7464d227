import { expect, it } from 'vitest'
import { systemClock } from '../kernel/index.ts'
import { type AdminParts, adminRoutes } from './index.ts'

it('every management route stands behind the guard', () => {
  const guarded: string[] = []
  const guard: AdminParts['guard'] = ({ route }) => {
    guarded.push(route)
    return (c) => c.text(route)
  }
  const parts = { identity: {}, models: { manage: {} }, guard, clock: systemClock } as unknown as AdminParts // nothing is asked of them
  const paths = adminRoutes(parts).routes.map(({ path }) => `/admin/api${path}`)
  expect(guarded.sort()).toEqual(paths.sort())
  expect(paths.length).toBeGreaterThan(10)
})
