import { describe, expect, it } from 'vitest'
import { type Claim, type Waiter, WaitingLine } from './waiting.ts'

const started: string[] = []
const waiter = (name: string, claim: Partial<Claim> = {}, arrived = 0): Waiter & { turnedAway: boolean } => ({
  claim: { keyId: name, address: name, addressFailures: 0, keyFailures: 0, ...claim },
  arrived,
  turnedAway: false,
  start: () => void started.push(name),
  turnAway() {
    this.turnedAway = true
  },
})

const drain = (line: WaitingLine) => {
  started.length = 0
  for (let next = line.next(); next; next = line.next()) next.start()
  return [...started]
}

describe('the line before argon2', () => {
  it('lets addresses without failures go first, then keys without them, then in order of arrival', () => {
    const line = new WaitingLine(10)
    line.join(waiter('attacker', { addressFailures: 3, keyFailures: 3 }, 1))
    line.join(waiter('hot key', { keyFailures: 3 }, 2))
    line.join(waiter('good', {}, 3))
    expect(drain(line)).toEqual(['good', 'hot key', 'attacker'])
  })

  it('gives every fourth turn to whoever waited longest, so that nobody waits for ever', () => {
    const line = new WaitingLine(100)
    line.join(waiter('stained', { addressFailures: 3 }, 0))
    for (let n = 1; n <= 8; n += 1) line.join(waiter(`good ${n}`, {}, n))
    expect(drain(line).indexOf('stained')).toBe(3)
  })

  it('holds a key and address to two, but not a key to two addresses nor an address to two keys', () => {
    const line = new WaitingLine(10)
    const pair = { keyId: 'k', address: 'a' }
    expect([line.join(waiter('1', pair)), line.join(waiter('2', pair)), line.join(waiter('3', pair))]).toEqual([true, true, false])
    expect(line.join(waiter('4', { keyId: 'k', address: 'b' }))).toBe(true)
    expect(line.join(waiter('5', { keyId: 'l', address: 'a' }))).toBe(true)
  })

  it('holds an address that failed several times to two, whatever keys it brings', () => {
    const line = new WaitingLine(10)
    const from = (keyId: string, addressFailures: number) => waiter(keyId, { keyId, address: 'a', addressFailures })
    expect(['1', '2', '3'].map((key) => line.join(from(key, 5)))).toEqual([true, true, false])
    expect(line.join(from('4', 4))).toBe(true)
  })

  it('when full turns the worst away for a better one, and refuses one that is no better', () => {
    const line = new WaitingLine(2)
    const attacker = waiter('attacker', { addressFailures: 1 }, 1)
    line.join(waiter('good', {}, 2))
    line.join(attacker)
    expect(line.join(waiter('worse', { addressFailures: 2 }, 3))).toBe(false)
    expect(line.join(waiter('better', {}, 4))).toBe(true)
    expect(attacker.turnedAway).toBe(true)
    expect(drain(line)).toEqual(['good', 'better'])
  })
})
