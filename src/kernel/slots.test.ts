import { describe, expect, it } from 'vitest'
import { Slots } from './slots.ts'

const member = (name: string) => ({ name, slot: -1 })

describe('slots', () => {
  it('holds what was added until it is deleted, and reuses the place', () => {
    const slots = new Slots<ReturnType<typeof member>>()
    const [a, b, c] = [member('a'), member('b'), member('c')]
    slots.add(a)
    slots.add(b)
    slots.delete(a)
    slots.add(c)
    expect([...slots].map(({ name }) => name)).toEqual(['c', 'b'])
    expect(slots.size).toBe(2)
    expect(c.slot).toBe(0)
  })

  it('does not give away the place of another when something is deleted twice', () => {
    const slots = new Slots<ReturnType<typeof member>>()
    const [a, b] = [member('a'), member('b')]
    slots.add(a)
    slots.delete(a)
    slots.add(b)
    slots.delete(a)
    expect([...slots]).toEqual([b])
  })
})
