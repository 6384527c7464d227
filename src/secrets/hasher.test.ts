import { describe, expect, it } from 'vitest'
import { systemClock } from '../kernel/index.ts'
import { createHasher, UnusableHash } from './index.ts'

const claim = (keyId: string, address = keyId) => ({ keyId, address, addressFailures: 0, keyFailures: 0 })

describe('the hasher', () => {
  it('hashes with the promised parameters, and tells which stored hash a secret fits', async () => {
    const hasher = createHasher({ clock: systemClock })
    const [one, two] = await Promise.all([hasher.hash('one'), hasher.hash('two')])
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(await hasher.verify('one', [one, two], claim('k'))).toBe(0)
    expect(await hasher.verify('two', [one, two], claim('k'))).toBe(1)
    expect(await hasher.verify('three', [one, two], claim('k'))).toBe(-1)
    expect(hasher.stats()).toMatchObject({ inFlight: 0, queued: 0, done: 5, turnedAway: 0 })
  })

  it('never has more in flight than it may, and takes everybody in turn', async () => {
    const hasher = createHasher({ clock: systemClock, inFlightMax: 2 })
    const phc = await hasher.hash('good')
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => hasher.verify('good', [phc], claim(`k${n}`))))
    expect(answers.every((at) => at === 0)).toBe(true)
    expect(hasher.stats()).toMatchObject({ peakInFlight: 2, peakQueued: 10, inFlight: 0, queued: 0 })
  })

  it('turns away with VERIFIER_BUSY what finds no place', async () => {
    const hasher = createHasher({ clock: systemClock, inFlightMax: 1, queueMax: 1 })
    const phc = await hasher.hash('good')
    const answers = await Promise.allSettled(['a', 'b', 'c'].map((key) => hasher.verify('good', [phc], claim(key))))
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(answers[2]).toMatchObject({ reason: { code: 'VERIFIER_BUSY', status: 503 } })
    expect(hasher.stats()).toMatchObject({ turnedAway: 1, inFlight: 0, queued: 0 })
  })

  it('gives an administrator more than two places: three keys may be made at the same time', async () => {
    const hasher = createHasher({ clock: systemClock, inFlightMax: 1 })
    expect(await Promise.all(['a', 'b', 'c', 'd', 'e'].map((text) => hasher.hash(text)))).toHaveLength(5)
  })

  it('does not give argon2 a stored hash that we did not write', async () => {
    const hasher = createHasher({ clock: systemClock })
    const cheap = '$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    await expect(hasher.verify('x', [cheap], claim('k'))).rejects.toThrow(UnusableHash)
    expect(hasher.stats().inFlight).toBe(0)
  })
})
