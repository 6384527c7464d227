import { afterEach, describe, expect, it } from 'vitest'
import { lacksMount, type SmallDisk, smallDisk } from '../support/small-disk.ts'
import { until } from '../support/until.ts'
import { type UsageScene, usageScene } from '../support/usage-scene.ts'

const missing = lacksMount()
let scene: UsageScene
let disk: SmallDisk
afterEach(async () => {
  disk.free()
  await scene.usage.close()
  await scene.ledger.close()
  await scene.store.close()
  disk.unmount()
  scene.place.remove()
})

describe.skipIf(missing !== '')(`a full disk under the store${missing && ` (${missing})`}`, () => {
  it('delays the accounts and loses nothing of them; only contents are lost', async () => {
    scene = await usageScene({
      prepare: ({ keyDir }) => {
        disk = smallDisk(keyDir, 4)
      },
    })
    await scene.usage.caughtUp()
    scene.usage.follow()
    await scene.pay('req_1', { cost_micro: 1 })
    await scene.counted()
    disk.fill()
    for (let n = 2; n <= 2_000; n += 1) await scene.pay(`req_${n}`, { cost_micro: 1 })
    await scene.counted()
    expect(scene.usage.state()).toMatchObject({ ok: false, lastError: expect.stringMatching(/full|disk/i) })
    expect(scene.ledger.state().ok).toBe(true)
    scene.usage.keepContent({ request: 'req_2', atMs: Date.now(), prompt: Buffer.alloc(60_000), answer: Buffer.alloc(60_000) })
    await until(() => scene.said.some(({ message }) => message.includes('could not be kept')), {
      withinMs: 5_000,
      what: 'a word of the contents',
    })
    disk.free()
    await until(async () => (await scene.balance('usr_ada')) === 1_000_000 - 2_000, { withinMs: 15_000, what: 'the accounts to be whole' })
    await until(() => scene.usage.state().ok, { withinMs: 5_000, what: 'a good state' })
    const { total } = await scene.usage.summary({ by: 'day', from: '2000-01-01', to: '2999-12-31' })
    expect(total).toMatchObject({ requests: 2_000, costMicro: 2_000 })
    const errors = scene.said.filter(({ level, message }) => level === 'error' && message.startsWith('usage'))
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('tried again')])
  })
})
