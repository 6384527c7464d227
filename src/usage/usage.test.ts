import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { manualClock } from '../../test/support/clock.ts'
import { refusalOf } from '../../test/support/ledger.ts'
import { until } from '../../test/support/until.ts'
import { type SceneOptions, type UsageScene, usageScene } from '../../test/support/usage-scene.ts'
import { LIMITS } from '../kernel/index.ts'

let scene: UsageScene
const open = async (options?: SceneOptions): Promise<UsageScene> => {
  scene = await usageScene(options)
  await scene.usage.caughtUp()
  return scene
}
afterEach(() => scene.close())

const DAY = '2026-11-20'
const today = () => new Date().toISOString().slice(0, 10)

describe('the accounts', () => {
  it('take every outcome of a key once: log, counters and balance', async () => {
    const { usage, pay, counted, balance, rows } = await open()
    await pay('req_1', { cost_micro: 2_500, units: { tokens_in: 10, tokens_out: 90 }, endpoint: 'gpu1' })
    await pay('req_2', {
      cost_micro: 500,
      units: { seconds: 1.5 },
      key: 'AdaKey000002',
      model: 'whisper-1',
      ended: 'client_closed',
      estimated: true,
    })
    await pay('req_3', { cost_micro: 70, user: 'bob', key: 'BobKey000001' })
    await counted()
    await counted()
    expect(await balance('usr_ada')).toBe(1_000_000 - 3_000)
    expect(await balance('usr_bob')).toBe(null)
    const days = { from: today(), to: today() }
    expect(await usage.summary({ by: 'user', ...days })).toMatchObject({
      rows: [
        { id: 'usr_ada', name: 'ada', requests: 2, tokensIn: 10, tokensOut: 90, milliseconds: 1_500, costMicro: 3_000 },
        { id: 'usr_bob', name: 'bob', requests: 1, costMicro: 70 },
      ],
      more: 0,
      total: { requests: 3, costMicro: 3_070 },
    })
    expect((await usage.summary({ by: 'key', ...days })).rows.map(({ id, user, costMicro }) => [id, user, costMicro])).toEqual([
      ['AdaKey000001', 'ada', 2_500],
      ['AdaKey000002', 'ada', 500],
      ['BobKey000001', 'bob', 70],
    ])
    expect((await usage.summary({ by: 'endpoint', ...days })).rows.map(({ id, requests }) => [id, requests])).toEqual([
      ['gpu1', 1],
      ['', 2],
    ])
    expect((await usage.summary({ by: 'day', from: '2020-01-01', to: '2020-01-31' })).total.requests).toBe(0)
    expect(await usage.requests({ limit: 10, user: 'ada' })).toMatchObject({
      requests: [
        { request: 'req_2', ended: 'client_closed', estimated: true, units: { seconds: 1.5 } },
        { request: 'req_1', endpoint: 'gpu1', model: 'fast' },
      ],
      next: null,
    })
    expect(await usage.request('req_1')).toMatchObject({
      request: { key: 'AdaKey000001', user: 'ada', status: 200, costMicro: 2_500 },
      content: null,
    })
    expect(await usage.request('req_nobody')).toBe(null)
    expect(await rows('pragma foreign_key_check')).toEqual([])
  })

  it('count refusals of a key that was recognised, and write no row for them', async () => {
    const { usage, ledger, counted } = await open()
    const mine = { kind: 'key', user: 'ada', key: 'AdaKey000001', status: 429, code: 'RATE_LIMITED' } as const
    for (let n = 0; n < 100; n += 1) ledger.refused(refusalOf(`req_${n}`, mine))
    ledger.refused(refusalOf('req_x', { key: 'AdaKey000001', reason: 'wrong_secret' }))
    await counted()
    const { total } = await usage.summary({ by: 'key', from: today(), to: today() })
    // What is more than the ledger writes one by one comes in a summary, ten seconds later.
    expect(total).toMatchObject({ requests: 0, refused: 60 })
    expect((await usage.requests({ limit: 10 })).requests).toEqual([])
  })

  it('tell what was spent on this day and in this month, by whoever has a budget', async () => {
    const clock = manualClock(Date.parse(`${DAY}T23:00:00Z`))
    const { usage, pay, counted } = await open({ clock })
    await pay('req_1', { cost_micro: 100, endpoint: 'gpu1' })
    await counted()
    clock.advance(2 * 3_600_000)
    await pay('req_2', { cost_micro: 11, endpoint: 'gpu1' })
    await pay('req_3', { cost_micro: 0, key: 'AdaKey000002' })
    await counted()
    const expected = [
      { kind: 'user', id: 'usr_ada', dayMicro: 11, monthMicro: 111 },
      { kind: 'key', id: 'AdaKey000001', dayMicro: 11, monthMicro: 111 },
      { kind: 'model', id: 'fast', dayMicro: 11, monthMicro: 111 },
      { kind: 'endpoint', id: 'gpu1', dayMicro: 11, monthMicro: 111 },
    ]
    expect(await usage.spentThisMonth()).toEqual(expected)
    await scene.reopen()
    expect(await scene.usage.spentThisMonth()).toEqual(expected)
    clock.advance(11 * 86_400_000)
    expect(await scene.usage.spentThisMonth()).toEqual([])
  })

  it('go on where they were after a restart, and page through days newest first', async () => {
    const clock = manualClock(Date.parse(`${DAY}T12:00:00Z`))
    const { pay, counted } = await open({ clock })
    for (let n = 0; n < 30; n += 1) {
      await pay(`req_${n}`, { cost_micro: 1, model: n % 3 === 0 ? 'slow' : 'fast' })
      if (n % 10 === 9) clock.advance(86_400_000)
      if (n === 14) await counted()
    }
    await scene.reopen()
    await scene.usage.caughtUp()
    expect(await scene.balance('usr_ada')).toBe(1_000_000 - 30)
    expect((await scene.rows('select day, requests from usage_days order by day')).length).toBeGreaterThanOrEqual(6)
    const seen: string[] = []
    for (let before: string | undefined = ''; before !== undefined; ) {
      const page = await scene.usage.requests({ limit: 7, ...(before !== '' && { before }) })
      seen.push(...page.requests.map(({ request }) => request))
      before = page.next ?? undefined
    }
    expect(seen).toEqual(Array.from({ length: 30 }, (_, n) => `req_${29 - n}`))
    const slow = await scene.usage.requests({ limit: 100, model: 'slow', key: 'AdaKey000001' })
    expect(slow.requests.map(({ request }) => request)).toEqual(Array.from({ length: 10 }, (_, n) => `req_${27 - 3 * n}`))
    expect((await scene.usage.requests({ limit: 100, user: 'nobody' })).requests).toEqual([])
  })

  it('begin with the ledger as it stands when they have never counted, and say so', async () => {
    scene = await usageScene()
    await scene.pay('req_before', { cost_micro: 5 })
    await scene.ledger.lifecycle({ what: 'upgrade' })
    await scene.usage.caughtUp()
    await scene.pay('req_after', { cost_micro: 7 })
    await scene.counted()
    expect(await scene.balance('usr_ada')).toBe(1_000_000 - 7)
    expect(scene.said.map(({ message }) => message)).toContain('usage: the accounts begin with the next line of the ledger')
  })

  it('stop at a ledger that was exchanged, and go on when a person says from where', async () => {
    const { pay, counted } = await open()
    await pay('req_1', { cost_micro: 5 })
    await counted()
    await scene.usage.close()
    await scene.ledger.close()
    rmSync(dirname(scene.place.file), { recursive: true })
    for (const name of ['ledger.path', 'ledger.seal']) rmSync(join(scene.place.keyDir, name), { force: true })
    mkdirSync(dirname(scene.place.file))
    await scene.reopen()
    await scene.pay('req_2', { cost_micro: 9 })
    await scene.counted()
    expect(scene.usage.state()).toMatchObject({ ok: false, lastError: expect.stringContaining('sequence') })
    await expect(scene.usage.upToDate()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', detail: expect.stringContaining('counted') })
    expect(scene.usage.stillReads('audit-20261120T000000Z-1')).toBe(true)
    expect(await scene.balance('usr_ada')).toBe(1_000_000 - 5)
    expect(scene.said.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      expect.stringContaining('portcullis usage skip'),
    ])
    await scene.usage.skip()
    await expect(scene.usage.skip()).rejects.toMatchObject({ code: 'CONFLICT' })
    await scene.pay('req_3', { cost_micro: 20 })
    await scene.counted()
    expect(scene.usage.state()).toMatchObject({ ok: true, behind: 0, lastError: null })
    expect(await scene.balance('usr_ada')).toBe(1_000_000 - 25)
  })

  it('charge once through rotations, compression and a segment that was torn', async () => {
    const { pay } = await open({ ledger: { rotateMiB: 0.01, compress: true } })
    for (let n = 0; n < 100; n += 1) await pay(`req_${n}`, { cost_micro: 3 })
    await scene.reopen()
    await scene.usage.close()
    await scene.ledger.close()
    writeFileSync(scene.place.file, `${readFileSync(scene.place.file, 'latin1')}\n{"v":1,"half`, 'latin1')
    await scene.reopen({ ledger: {} })
    for (let n = 100; n < 150; n += 1) await scene.pay(`req_${n}`, { cost_micro: 3 })
    await scene.counted()
    expect(readdirSync(dirname(scene.place.file)).some((name) => name.includes('broken'))).toBe(true)
    expect(await scene.balance('usr_ada')).toBe(1_000_000 - 450)
    expect((await scene.usage.summary({ by: 'day', from: '2000-01-01', to: '2999-12-31' })).total).toMatchObject({
      requests: 150,
      costMicro: 450,
    })
  })

  it('count what a caller names no further than so many names for a key and day', async () => {
    const { usage, pay, counted } = await open()
    for (let n = 0; n < 520; n += 1) await pay(`req_${n}`, { model: `m${n}`, cost_micro: 1 })
    await counted()
    const { rows, total } = await usage.summary({ by: 'model', from: today(), to: today() })
    expect([rows.length, rows[0]?.id, rows[0]?.requests, total.requests]).toEqual([501, '(others)', 20, 520])
    expect((await usage.requests({ limit: 5, model: 'm519' })).requests.map(({ request }) => request)).toEqual(['req_519'])
  })

  it('count what no request can use at the most that there is, and say so', async () => {
    const { usage, pay, counted, balance } = await open()
    await pay('req_1', { cost_micro: 1.5e25, units: { tokens_in: 1e26, tokens_out: 7 } })
    await pay('req_2', { cost_micro: 5, units: { tokens_in: 1, tokens_out: 1 } })
    await counted()
    const { total } = await usage.summary({ by: 'day', from: today(), to: today() })
    expect(total).toMatchObject({
      requests: 2,
      tokensIn: LIMITS.requestTokensMax + 1,
      tokensOut: 8,
      costMicro: LIMITS.requestCostMicroMax + 5,
    })
    expect(await balance('usr_ada')).toBe(1_000_000 - LIMITS.requestCostMicroMax - 5)
    expect(scene.said.map(({ message }) => message)).toContainEqual(expect.stringContaining('counted at the most'))
  })

  it('let days of the log go whole, keep their counters, and begin no day again that has gone', async () => {
    const clock = manualClock(Date.parse(`${DAY}T12:00:00Z`))
    const { pay, counted, rows } = await open({ clock, retention: { keepDays: 2 } })
    await rows("insert into usage_days (day, user_id, key_id, model, endpoint, requests) values ('2024-09-11', 'u', 'k', 'm', 'e', 1)")
    await rows("insert into usage_days (day, user_id, key_id, model, endpoint, requests) values ('2024-09-12', 'u', 'k', 'm', 'e', 1)")
    await pay('req_1', { cost_micro: 1 })
    clock.advance(86_400_000)
    await pay('req_2', { cost_micro: 1 })
    // What is counted late is counted, though its day has no log any more.
    clock.advance(86_400_000)
    await counted()
    await pay('req_3', { cost_micro: 1 })
    await counted()
    expect(await rows('select day from log_days order by day')).toEqual([{ day: '2026-11-21' }, { day: '2026-11-22' }])
    const costs = await rows('select day, cost_micro from usage_days where cost_micro > 0 order by day')
    expect(costs.map(({ day, cost_micro }) => `${day} ${cost_micro}`)).toEqual(['2026-11-20 1', '2026-11-21 1', '2026-11-22 1'])
    expect(await rows("select day from usage_days where user_id = 'u'")).toEqual([])
    clock.advance(86_400_000)
    scene.usage.reconfigure({ keepDays: 2, contentKeepDays: 7, contentBytesMax: 1, contentTotalBytesMax: 1 })
    await until(async () => (await rows('select day from log_days')).length === 1, { withinMs: 5_000, what: 'a day to go' })
    expect(await rows("select name from sqlite_master where name like 'requests_%' order by name")).toEqual([
      { name: 'requests_20261122' },
      { name: 'requests_20261122_request' },
    ])
    expect((await scene.usage.requests({ limit: 10 })).requests.map(({ request }) => request)).toEqual(['req_3'])
    expect((await scene.usage.summary({ by: 'day', from: DAY, to: '2026-11-30' })).total.requests).toBe(3)
  })
})
