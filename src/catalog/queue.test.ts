import { setMaxListeners } from 'node:events'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { LIMITS } from '../kernel/index.ts'
import { type BackendQueue, createQueue, type Release } from './queue.ts'

const { signal } = new AbortController()
setMaxListeners(0, signal)

/** Callers of a queue; `served` is the order in which they were given places, `refused` who was turned away. */
function visitors(queue: BackendQueue) {
  const served: string[] = []
  const refused: string[] = []
  const places: Release[] = []
  return {
    served,
    refused,
    come: (caller: string, job = ''): void => {
      queue.enter(caller, signal).then(
        (place) => {
          served.push(caller + job)
          places.push(place)
        },
        () => void refused.push(caller + job),
      )
    },
    /** The oldest job at the backend ends, until nobody waits or so many ended. */
    end: async (jobs = 1): Promise<void> => {
      for (let n = 0; n < jobs; n += 1) {
        await settled()
        places.shift()?.()
      }
      await settled()
    },
  }
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the queue of a backend', () => {
  afterEach(() => void vi.useRealTimers())

  it('gives places to keys in turn, and to the jobs of one key in the order they came', async () => {
    const { come, end, served } = visitors(createQueue('image', 1))
    for (let n = 1; n <= 5; n += 1) come('flood', `${n}`)
    come('single')
    come('pair', '1')
    come('pair', '2')
    await end(8)
    expect(served).toEqual(['flood1', 'flood2', 'single', 'pair1', 'flood3', 'pair2', 'flood4', 'flood5'])
  })

  it('that one key has filled still takes the single job of another, and serves it next but one', async () => {
    const queue = createQueue('image', 1)
    const { come, end, served, refused } = visitors(queue)
    for (let n = 0; n < 1 + LIMITS.queueLengthMax; n += 1) come('flood', `${n}`)
    await settled()
    expect([queue.waiting, refused]).toEqual([LIMITS.queueLengthMax, []])
    come('flood', ' too many')
    come('single')
    await settled()
    // The latest of those who have most gives way; the others keep their places.
    expect(refused).toEqual(['flood too many', `flood${LIMITS.queueLengthMax}`])
    expect(queue.waiting).toBe(LIMITS.queueLengthMax)
    await end(2)
    expect(served).toEqual(['flood0', 'flood1', 'single'])
  })

  it('is shared evenly by two keys that both want all of it, and nobody is turned away in a circle', async () => {
    const queue = createQueue('image', 1)
    const { come, refused } = visitors(queue)
    come('running')
    for (let n = 0; n < LIMITS.queueLengthMax; n += 1) come('a', `${n}`)
    for (let n = 0; n < LIMITS.queueLengthMax; n += 1) come('b', `${n}`)
    for (let n = 0; n < 10; n += 1) come('a', ` again ${n}`)
    await settled()
    const half = LIMITS.queueLengthMax / 2
    expect(queue.waiting).toBe(LIMITS.queueLengthMax)
    expect(refused.filter((who) => who.startsWith('a')).length).toBe(half + 10)
    expect(refused.filter((who) => who.startsWith('b')).length).toBe(half)
  })

  it('forgets a key whose callers have left', async () => {
    const queue = createQueue('image', 1)
    const leaving = new AbortController()
    await queue.enter('a', signal)
    const waits = queue.enter('b', leaving.signal)
    leaving.abort()
    await expect(waits).rejects.toMatchObject({ code: 'BODY_INCOMPLETE' })
    expect([queue.inFlight, queue.waiting]).toEqual([1, 0])
  })

  it('turns away whoever has waited too long, and no sooner', async () => {
    vi.useFakeTimers()
    const queue = createQueue('image', 1)
    const first = await queue.enter('a', signal)
    let told: unknown = null
    queue.enter('b', signal).catch((error: unknown) => {
      told = error
    })
    await vi.advanceTimersByTimeAsync(LIMITS.queueWaitMsMax - 1)
    expect([told, queue.waiting]).toEqual([null, 1])
    await vi.advanceTimersByTimeAsync(1)
    expect(told).toMatchObject({ code: 'QUEUE_FULL', status: 429, reason: 'waited too long' })
    expect([queue.inFlight, queue.waiting]).toEqual([1, 0])
    first()
    expect(queue.inFlight).toBe(0)
  })

  it('does not turn away one that had its turn in time', async () => {
    vi.useFakeTimers()
    const queue = createQueue('image', 1)
    const first = await queue.enter('a', signal)
    const waits = queue.enter('b', signal)
    first()
    const second = await waits
    expect(vi.getTimerCount()).toBe(0)
    second()
    expect([queue.inFlight, queue.waiting]).toEqual([0, 0])
  })

  it('made larger lets in who waits, and made smaller lets nobody in before enough have ended', async () => {
    const queue = createQueue('image', 1)
    const { come, end, served } = visitors(queue)
    for (let n = 0; n < 6; n += 1) come('a', `${n}`)
    queue.resize(3)
    await settled()
    expect([queue.inFlight, queue.waiting, served]).toEqual([3, 3, ['a0', 'a1', 'a2']])
    queue.resize(1)
    await end(2)
    expect([queue.inFlight, queue.waiting]).toEqual([1, 3])
    await end()
    expect([queue.inFlight, queue.waiting]).toEqual([1, 2])
    queue.resize(0)
    await settled()
    expect([queue.inFlight, queue.waiting]).toEqual([3, 0])
    queue.resize(2)
    come('b')
    await end(2)
    expect([queue.inFlight, served.at(-1)]).toEqual([2, 'b'])
  })
})
