import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../../test/support/clock.ts'
import { until } from '../../../test/support/until.ts'
import { type SceneOptions, type UsageScene, usageScene } from '../../../test/support/usage-scene.ts'

const DAY_MS = 86_400_000
const CANARY = 'the-canary-sings-at-midnight'
let scene: UsageScene
let clock: ManualClock

const open = async (options: SceneOptions = {}): Promise<UsageScene> => {
  clock = manualClock(Date.parse('2026-11-20T12:00:00Z'))
  scene = await usageScene({ clock, ...options })
  await scene.usage.caughtUp()
  return scene
}
afterEach(() => scene.close())

const keep = (request: string, prompt = CANARY, answer = `${CANARY} answered`) =>
  scene.usage.keepContent({ request, atMs: clock.nowMs(), prompt: Buffer.from(prompt), answer: Buffer.from(answer) })

async function paidAndKept(request: string, prompt?: string, answer?: string): Promise<void> {
  await scene.pay(request)
  await scene.counted()
  keep(request, prompt, answer)
}

const contentOf = async (request: string) => (await scene.usage.request(request))?.content ?? null
const days = async () => (await scene.rows("select day from log_days where kind = 'contents' order by day")).map(({ day }) => day)
const warnings = () => scene.said.filter(({ level }) => level === 'warn').map(({ message }) => message)

describe('kept contents', () => {
  it('come back whole, and stand nowhere on the disk in plain', async () => {
    await open()
    await paidAndKept('req_1')
    const content = await contentOf('req_1')
    expect([content?.prompt.toString(), content?.answer.toString()]).toEqual([CANARY, `${CANARY} answered`])
    await scene.usage.close()
    const { keyDir } = scene.place
    const files = readdirSync(keyDir, { recursive: true, encoding: 'utf8' })
    expect(files).toContain('portcullis.db')
    for (const file of files) expect([file, readFileSync(join(keyDir, file)).includes(CANARY)]).toEqual([file, false])
  })

  it('are cut at their bound, and say how long they were', async () => {
    await open({ retention: { contentBytesMax: 10 } })
    await paidAndKept('req_1', 'x'.repeat(25), 'y'.repeat(7))
    expect(await contentOf('req_1')).toMatchObject({ promptBytes: 25, answerBytes: 7 })
    expect((await contentOf('req_1'))?.prompt.toString()).toBe('x'.repeat(10))
  })

  it('do not open as those of another request, or under another key', async () => {
    await open()
    await paidAndKept('req_1')
    await paidAndKept('req_2', 'other', 'other')
    await contentOf('req_2')
    const table = 'contents_20261120'
    await scene.rows(`update ${table} set sealed = (select sealed from ${table} where request = 'req_1') where request = 'req_2'`)
    expect(await scene.usage.request('req_2')).toMatchObject({ content: null, contentFault: expect.stringContaining('req_2') })
    rmSync(join(scene.place.keyDir, 'contents.key'))
    await scene.reopen()
    expect(await scene.usage.request('req_1')).toMatchObject({ content: null, contentFault: expect.stringContaining('contents.key') })
  })

  it('go by whole days when their time is over', async () => {
    await open({ retention: { contentKeepDays: 2 } })
    for (let day = 0; day < 4; day += 1) {
      await paidAndKept(`req_${day}`)
      expect(await contentOf(`req_${day}`)).not.toBe(null)
      clock.advance(DAY_MS)
    }
    scene.usage.reconfigure({ keepDays: 90, contentKeepDays: 2, contentBytesMax: 1_000, contentTotalBytesMax: 10_000 })
    await until(async () => (await days()).length === 1, { withinMs: 5_000, what: 'old days to go' })
    expect(await days()).toEqual(['2026-11-23'])
    expect((await scene.rows("select name from sqlite_master where name like 'contents_%' and type = 'table'")).length).toBe(1)
    expect(await contentOf('req_2')).toBe(null)
    expect(await scene.usage.request('req_2')).not.toBe(null)
  })

  it('stay within a bound in all: the oldest day goes, and today is kept no further', async () => {
    await open({ retention: { contentTotalBytesMax: 2_000 } })
    await paidAndKept('req_1', 'x'.repeat(700), '')
    clock.advance(DAY_MS)
    await paidAndKept('req_2', 'x'.repeat(700), '')
    expect(await contentOf('req_1')).not.toBe(null)
    await paidAndKept('req_3', 'x'.repeat(700), '')
    expect([await contentOf('req_1'), (await contentOf('req_3'))?.promptBytes]).toEqual([null, 700])
    await paidAndKept('req_4', 'x'.repeat(700), '')
    await paidAndKept('req_5', 'x'.repeat(700), '')
    expect(await contentOf('req_5')).toBe(null)
    expect(await days()).toEqual(['2026-11-21'])
    expect(warnings()).toEqual([
      expect.stringContaining('let go before their time'),
      expect.stringContaining('no more are kept on this day'),
    ])
  })

  it('are given up rather than gathered in memory', async () => {
    await open({ retention: { contentBytesMax: 4 * 1024 * 1024 } })
    await scene.pay('req_0')
    await scene.counted()
    for (let n = 0; n < 6; n += 1) keep(`req_${n}`, 'x'.repeat(4 * 1024 * 1024), '')
    expect(warnings()).toEqual(['usage: what a request held is not kept'])
    await until(() => warnings().length === 2, { withinMs: 10_000, what: 'the outbox to be empty' })
    expect(await contentOf('req_0')).not.toBe(null)
  })
})
