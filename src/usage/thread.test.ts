import type { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../test/support/until.ts'
import { type UsageScene, usageScene } from '../../test/support/usage-scene.ts'
import { startWorker } from './thread.ts'

let scene: UsageScene
const workers: Worker[] = []
afterEach(async () => {
  workers.length = 0
  await scene.close()
})

const open = async (start = startWorker): Promise<UsageScene> => {
  scene = await usageScene({
    startWorker: (data) => {
      const worker = start(data)
      workers.push(worker)
      return worker
    },
  })
  await scene.usage.caughtUp()
  return scene
}
const paid = async (request: string): Promise<void> => {
  await scene.pay(request, { cost_micro: 10 })
  await scene.ledger.lifecycle({ what: 'pause' })
}
const balanceIs = (micro: number) =>
  until(async () => (await scene.balance('usr_ada')) === micro, { withinMs: 15_000, what: `a balance of ${micro}` })

describe('the thread that keeps the accounts', () => {
  it('is not started before there is something to do', async () => {
    await open()
    await scene.usage.spentThisMonth()
    expect([workers.length, scene.usage.state()]).toEqual([0, expect.objectContaining({ ok: true, behind: 0 })])
    await paid('req_1')
    await scene.usage.caughtUp()
    expect(workers.length).toBe(1)
  })

  it('is started again when it breaks off, reads on where it was, and tells who was waiting', async () => {
    await open()
    scene.usage.follow()
    for (let n = 1; n <= 3; n += 1) {
      await paid(`req_${n}`)
      await balanceIs(1_000_000 - n * 10)
      const asked = scene.usage.summary({ by: 'day', from: '2000-01-01', to: '2999-12-31' }).catch((error: unknown) => error)
      await workers.at(-1)?.terminate()
      // It may have been answered in the moment before.
      expect(await asked).toSatisfy((answer: object) => 'total' in answer || Reflect.get(answer, 'code') === 'STORE_UNAVAILABLE')
      expect(scene.usage.state()).toMatchObject({ ok: false, lastError: expect.any(String) })
      await until(() => workers.length > n, { withinMs: 10_000, what: 'another thread' })
    }
    await paid('req_4')
    await balanceIs(1_000_000 - 40)
    expect(scene.usage.state()).toMatchObject({ ok: true, lastError: null })
    const told = scene.said.filter(({ message }) => message.includes('broke off'))
    expect(told.map(({ fields }) => Reflect.get(fields, 'delayMs'))).toEqual([250, 500, 1_000])
  })

  it('that cannot be started keeps nobody from starting', async () => {
    await open((data) => startWorker({ ...data, storeFile: '/nowhere/at.db' }))
    await paid('req_1')
    await scene.usage.caughtUp()
    expect(scene.usage.state()).toMatchObject({ ok: false })
    expect(scene.said.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual(
      expect.arrayContaining([expect.stringContaining('broke off'), expect.stringContaining('not up to the ledger')]),
    )
    await expect(scene.usage.requests({ limit: 1 })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('tells of what a crash had left open, once, and of nothing else', async () => {
    await open()
    const crashed: string[] = []
    scene.usage.follow(({ user, key, model, costMicro }) => void crashed.push(`${user} ${key} ${model} ${costMicro}`))
    await scene.pay('req_1', { cost_micro: 10 })
    await scene.pay('req_2', { cost_micro: 7, ended: 'crashed', status: 0, estimated: true })
    await scene.counted()
    expect(crashed).toEqual(['usr_ada AdaKey000001 fast 7'])
  })
})
