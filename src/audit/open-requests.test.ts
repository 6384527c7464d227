import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Item } from './batch.ts'
import { OpenRequests } from './open-requests.ts'

// Only the fields that are read; an item of the ledger has more.
const intent = (request: string, seq: number) => ({ event: 'intent', entry: { request }, seq }) as unknown as Item
const outcome = (request: string) => ({ event: 'outcome', entry: { request } }) as unknown as Item

describe('open requests', () => {
  it('answers as a map would, whatever comes and goes in whatever order', () => {
    const step = fc.record({ opens: fc.boolean(), id: fc.integer({ min: 0, max: 3_000 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8_000, minLength: 4_000 }), (steps) => {
        const open = new OpenRequests(undefined)
        const model = new Map<string, number>()
        for (const [seq, { opens, id }] of steps.entries()) {
          const request = `req_${id.toString(36)}`
          if (opens) model.set(request, seq)
          else model.delete(request)
          open.note([opens ? intent(request, seq) : outcome(request)])
        }
        expect(open.oldest()).toBe(model.size === 0 ? undefined : Math.min(...model.values()))
        for (const request of model.keys()) open.note([outcome(request)])
        expect(open.oldest()).toBeUndefined()
      }),
      { numRuns: 20 },
    )
  })

  it('says where the earlier process left off until that is settled', () => {
    const open = new OpenRequests(7)
    open.note([intent('a', 20)])
    expect(open.oldest()).toBe(7)
    open.settled()
    expect(open.oldest()).toBe(20)
  })
})
