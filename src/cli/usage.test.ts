import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { adminOf } from '../../test/support/admin.ts'
import { manualClock } from '../../test/support/clock.ts'
import { type UsageScene, usageScene } from '../../test/support/usage-scene.ts'
import { LIMITS } from '../kernel/index.ts'
import { usageCommand } from './usage.ts'

const clock = manualClock(Date.parse('2026-11-20T12:00:00Z'))
let scene: UsageScene
beforeEach(async () => {
  scene = await usageScene({ clock })
  await scene.usage.caughtUp()
  await scene.pay('req_1', { cost_micro: 2_500, units: { tokens_in: 10, tokens_out: 1_090 }, endpoint: 'gpu1' })
  await scene.pay('req_2', {
    cost_micro: 1_000_000,
    user: 'bob',
    key: 'BobKey000001',
    model: '=cmd|evil',
    ended: 'upstream_died',
    status: 502,
  })
  await scene.counted()
})
afterEach(() => scene.close())

/** One command line, as the program runs it, with what it wrote and how it ended. */
async function usage(...args: string[]) {
  const [input, output, errors] = [new PassThrough(), new PassThrough({ highWaterMark: 1_000_000 }), new PassThrough()]
  let status = -1
  const exit = (code: number) => {
    status = code
  }
  const program = usageCommand(async () => adminOf({ usage: scene.usage, clock }), { input, output, errors, clock, exit })
  for (const one of [program, ...program.commands]) one.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} })
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (thrown) {
    const { code, exitCode, message } = thrown as { code?: string; exitCode?: number; message: string } // commander's errors and our Exit
    status = code?.startsWith('commander.') ? 2 : (exitCode ?? 3)
    errors.write(message)
  }
  return { status, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}

describe('portcullis usage', () => {
  it('sums the last thirty days by day, and by whatever else is asked', async () => {
    expect(await usage()).toEqual({
      status: 0,
      err: '',
      out: [
        'DAY         REQUESTS  TOKENS IN  TOKENS OUT  COST',
        '2026-11-20  2         22         1,310       1.0025',
        'total       2         22         1,310       1.0025',
        '',
      ].join('\n'),
    })
    expect((await usage('--by', 'user')).out).toMatch(/^USER .*\nbob +1 +12 +220 +1\.00\nada +1 +10 +1,090 +0\.0025\ntotal/)
    expect((await usage('--by', 'key')).out).toMatch(/^KEY +USER .*\nBobKey000001 +bob /)
    expect((await usage('--from', '2026-01-01', '--to', '2026-02-01')).out).toBe('Nothing was used from 2026-01-01 to 2026-02-01.\n')
    expect(JSON.parse((await usage('--by', 'endpoint', '--json')).out)).toMatchObject({
      from: '2026-10-22',
      to: '2026-11-20',
      rows: [{ id: '' }, { id: 'gpu1', cost: '0.0025' }],
      total: { requests: 2 },
      behind: 0,
      fault: null,
    })
  })

  it('writes what no spreadsheet runs', async () => {
    expect((await usage('--by', 'model', '--csv')).out.split('\r\n').slice(0, 2)).toEqual([
      'id,name,user,requests,refused,tokens_in,tokens_out,characters,images,seconds,cost',
      `"'=cmd|evil","'=cmd|evil",,1,0,12,220,0,0,0,"1.00"`,
    ])
    const [head = '', first = ''] = (await usage('requests', '--csv', '--limit', '1')).out.split('\r\n')
    expect(head).toMatch(/^time,request,seq,user,/)
    expect(first).toContain(`"req_2"`)
    expect(first).toContain(`"'=cmd|evil"`)
  })

  it('leaves no row out of CSV, and says of a table how many it leaves out and what they come to', async () => {
    const many = `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${LIMITS.usageRowsMax + 20})`
    await scene.rows(
      `insert into usage_days (day, user_id, key_id, model, endpoint, requests) ${many} select '2026-11-20', 'u', 'k', 'm' || i, '', 1 from n`,
    )
    const rows = LIMITS.usageRowsMax + 22
    const csv = (await usage('--by', 'model', '--csv')).out.trim().split('\r\n')
    expect([csv.length, new Set(csv).size]).toEqual([rows + 1, rows + 1])
    const { out, err } = await usage('--by', 'model')
    expect(err).toBe('22 more rows are not shown, those of the least cost; --csv has all\n')
    expect(out).toMatch(/\nothers \(22\) +22 .*\ntotal +1,022 /)
    expect((await usage('--by', 'day')).err).toBe('')
  })

  it('lists requests, newest first, those of one user, key or model', async () => {
    const { out } = await usage('requests')
    expect(out.split('\n').map((line) => line.split(/ {2,}/)[1])).toEqual(['REQUEST', 'req_2', 'req_1', undefined])
    expect(out).toContain('502 upstream_died')
    expect((await usage('requests', '--user', 'ada')).out).toContain('req_1')
    expect((await usage('requests', '--user', 'ada')).out).not.toContain('req_2')
    expect((await usage('requests', '--key', 'BobKey000001', '--model', 'fast')).out).toBe('No such requests.\n')
    expect(JSON.parse((await usage('requests', '--json')).out).requests).toHaveLength(2)
    expect((await usage('requests')).err).toBe('')
    for (let n = 0; n < 50; n += 1) await scene.pay(`req_more${n}`)
    await scene.counted()
    const cut = await usage('requests')
    expect([cut.out.trim().split('\n').length, cut.err]).toEqual([51, 'the newest 50; --limit shows more, and --csv and --json all\n'])
  })

  it('shows a request, with what was kept of it and nothing that moves the cursor', async () => {
    expect((await usage('show', 'req_1')).out).toMatch(/request +req_1\n.*cost +0\.0025\n.*content +not kept/s)
    scene.usage.keepContent({
      request: 'req_1',
      atMs: clock.nowMs(),
      prompt: Buffer.from('{"a":1}\n\u001b[2J'),
      answer: Buffer.from('fine'),
    })
    const shown = (await usage('show', 'req_1')).out
    expect(shown).toMatch(/── prompt\n\{"a":1\}\n\\u001b\[2J\n\n── answer\nfine\n$/)
    expect(await usage('show', 'req_9')).toMatchObject({ status: 1, err: expect.stringContaining('no such request') })
    expect(await usage('show', 'pcl_x')).toMatchObject({ status: 2 })
  })

  it('refuses what is no day and no way to count, and to skip what is not missing', async () => {
    for (const args of [
      ['--from', '2026-02-30'],
      ['--to', 'today'],
      ['--by', 'moon'],
      ['--from', '2026-11-02', '--to', '2026-11-01'],
      ['--from', '2026-11-21'],
      ['--csv', '--json'],
      ['requests', '--limit', '0'],
    ])
      expect([args, (await usage(...args)).status]).toEqual([args, 2])
    expect(await usage('skip')).toMatchObject({ status: 1, err: expect.stringContaining('nothing to leave out') })
  })
})
