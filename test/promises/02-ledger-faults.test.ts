import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listSegments } from '../../src/audit/index.ts'
import { intentOf, type LedgerPlace, ledgerAt, ledgerPlace, objectsIn, verifyPlace } from '../support/ledger.ts'
import { LedgerChild } from '../support/ledger-child.ts'
import { lacking, named, toolOrThrow } from '../support/tools.ts'
import { until } from '../support/until.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const ROUNDS = LONG ? 10 : 2
const TIMEOUT_MS = 110_000
const MODES = ['sync', 'write'] as const

/** '' when this user may mount, else why not. */
function mountable(): string {
  if (process.env.CI === 'true') return ''
  const dir = mkdtempSync(join(tmpdir(), 'portcullis-mount-'))
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir], { encoding: 'utf8' })
  if (status === 0) spawnSync('umount', [dir])
  rmSync(dir, { recursive: true, force: true })
  return status === 0 ? '' : `a small tmpfs cannot be mounted: ${String(stderr).trim()}`
}

interface Checked {
  readonly faults: number
  readonly acknowledged: number
  readonly rejected: number
  /** Acknowledged, so that the backend would have been reached, and not in the ledger. */
  readonly hits: number
  readonly broken: number
}

function figure(what: string, { faults, hits, acknowledged, rejected, broken }: Checked, recoverS: number): void {
  const counts = `acknowledged ${acknowledged}, refused ${rejected}, broken segments ${broken}`
  process.stdout.write(`promise 02: ${what}: faults ${faults}, hits after ${hits}, ${counts}, seconds to recover ${recoverS.toFixed(2)}\n`)
}

/**
 * A caller whose intent was acknowledged would have reached the backend: its intent must stand in the ledger. One who was turned away must stand there
 * as refused. Lines behind the acknowledged end of a broken segment do not count.
 */
async function check(place: LedgerPlace, child: Pick<LedgerChild, 'acknowledged' | 'rejected' | 'faults'>): Promise<Checked> {
  const report = await verifyPlace(place)
  expect(report.problems).toEqual([])
  expect(report.unfinishedCount).toBe(0)
  const intents = new Set<unknown>()
  const refused = new Map<unknown, unknown>()
  for (const { file, bytes, unacknowledgedBytes = 0 } of report.segments) {
    const acknowledged = readFileSync(file).subarray(0, bytes - unacknowledgedBytes)
    for (const { event, request, code } of objectsIn(acknowledged.toString())) {
      if (event === 'intent') intents.add(request)
      if (event === 'refused' || event === 'outcome') refused.set(request, code)
    }
  }
  const hits = child.acknowledged.filter((request) => !intents.has(request))
  expect(hits).toEqual([])
  for (const request of child.rejected) expect(refused.get(request), request).toBe('AUDIT_UNAVAILABLE')
  const broken = listSegments(place.file).filter((file) => file.includes('.broken-')).length
  return { faults: child.faults, acknowledged: child.acknowledged.length, rejected: child.rejected.length, hits: hits.length, broken }
}

describe('promise 2: a ledger that cannot be written lets nobody through, and recovers', () => {
  let place: LedgerPlace
  let mounted = ''
  beforeEach(() => {
    place = ledgerPlace()
  })
  afterEach(() => {
    if (mounted !== '') spawnSync('umount', [mounted])
    mounted = ''
    place.remove()
  })

  const noMount = mountable()
  it.skipIf(noMount).each(MODES)(named('on a full disk (1 MiB tmpfs), in %s mode', noMount), { timeout: TIMEOUT_MS }, async (sync) => {
    mounted = join(place.dir, 'logs')
    mkdirSync(mounted)
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mounted]).status).toBe(0)
    const child = new LedgerChild({ ...place, sync, rotateMiB: 64, concurrency: 8, everyMs: 1, tag: 'full' })
    await until(() => child.acknowledged.length > 0, { withinMs: 30_000, what: 'a first intent' })
    const filler = join(mounted, 'filler')
    let worstS = 0
    for (let round = 0; round < ROUNDS; round += 1) {
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096'])
      await until(() => child.faults > round, { withinMs: 30_000, what: 'the disk to be full' })
      const before = child.rejected.length
      await until(() => child.rejected.length > before + 50, { withinMs: 30_000, what: 'refusals on a full disk' })
      const hits = child.acknowledged.length
      await until(() => child.rejected.length > before + 100, { withinMs: 30_000, what: 'more refusals' })
      expect(child.acknowledged.length).toBe(hits)
      const freedMs = performance.now()
      rmSync(filler)
      await until(() => child.acknowledged.length > hits, { withinMs: 10_000, what: 'the ledger to recover' })
      worstS = Math.max(worstS, (performance.now() - freedMs) / 1_000)
    }
    await child.stop()
    figure(`full disk, ${sync}`, await check(place, child), worstS)
    expect(worstS).toBeLessThan(2)
  })

  it.skipIf(noMount).each(MODES)(named('on a disk that is full at the start, in %s mode', noMount), async (sync) => {
    mounted = join(place.dir, 'logs')
    mkdirSync(mounted)
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mounted]).status).toBe(0)
    const filler = join(mounted, 'filler')
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096'])
    const ledger = await ledgerAt(place, { sync })
    expect(ledger.state().ok).toBe(false)
    await expect(ledger.intent(intentOf('early'))).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    rmSync(filler)
    const freedMs = performance.now()
    await until(() => ledger.state().ok, { withinMs: 5_000, what: 'the ledger to open by itself' })
    const recoverS = (performance.now() - freedMs) / 1_000
    await ledger.close()
    figure(`full disk at the start, ${sync}`, await check(place, { acknowledged: [], rejected: ['early'], faults: 1 }), recoverS)
  })

  // A short write by the kernel is finished by libuv, and a fault only when the rest fails too: the full disk above does that. Here nothing is written.
  const noStrace = lacking('strace')
  const INJECTED = [
    ['EIO at the nth fdatasync', 'sync', 'fdatasync', 'error=EIO:when=40+60'],
    ['ENOSPC at the nth write', 'sync', 'write', 'error=ENOSPC:when=40+60'],
    ['a short write', 'sync', 'write', 'retval=0:when=40+60'],
    ['a short write', 'write', 'write', 'retval=0:when=40+60'],
    ['EIO at the nth write', 'write', 'write', 'error=EIO:when=40+60'],
  ] as const
  it.skipIf(noStrace).each(INJECTED)(
    named('on %s, in %s mode (injected)', noStrace),
    { timeout: TIMEOUT_MS },
    async (what, sync, call, how) => {
      const strace = toolOrThrow('strace')
      // Only calls on the active segment's path: other writes of the process are none of this.
      const under = [
        strace.path,
        ...strace.args,
        '-f',
        '-qq',
        '-o',
        join(place.dir, 'trace'),
        '-P',
        place.file,
        '-e',
        `trace=${call}`,
        '-e',
        `inject=${call}:${how}`,
      ]
      const child = new LedgerChild({ ...place, sync, rotateMiB: 64, concurrency: 4, everyMs: 2, tag: 'inject', under })
      await until(() => child.faults >= ROUNDS && child.states.at(-1)?.ok === true, {
        withinMs: 60_000,
        what: `${ROUNDS} faults and recoveries: ${child.errors}`,
      })
      const hits = child.acknowledged.length
      await until(() => child.acknowledged.length > hits, { withinMs: 10_000, what: 'an intent after the recovery' })
      const outages = child.states.flatMap((s, i) => (s.ok || !child.states[i + 1] ? [] : [(child.states[i + 1]?.atMs ?? 0) - s.atMs]))
      await child.stop(60_000)
      const checked = await check(place, child)
      figure(`${what}, ${sync}`, checked, Math.max(...outages) / 1_000)
      expect(checked.broken).toBeGreaterThanOrEqual(ROUNDS)
    },
  )

  it.skipIf(!LONG || noStrace)(named('on a disk that does not answer for 13 s (long run)', noStrace), { timeout: TIMEOUT_MS }, async () => {
    const strace = toolOrThrow('strace')
    const how = ['-e', 'trace=fdatasync', '-e', 'inject=fdatasync:delay_enter=13000000:when=40']
    const under = [strace.path, ...strace.args, '-f', '-qq', '-o', join(place.dir, 'trace'), '-P', place.file, ...how]
    const child = new LedgerChild({ ...place, sync: 'sync', rotateMiB: 64, concurrency: 4, everyMs: 2, tag: 'stall', under })
    await until(() => child.states.some((s) => !s.ok), { withinMs: 40_000, what: 'the stall to be noticed' })
    const hits = child.acknowledged.length
    await until(() => child.rejected.length > 20, { withinMs: 10_000, what: 'refusals while the disk is away' })
    expect(child.acknowledged.length).toBe(hits)
    await until(() => child.acknowledged.length > hits, { withinMs: 20_000, what: 'an intent after the stall' })
    const [fell, rose] = child.states.slice(-2)
    await child.stop()
    figure('a disk that hangs, sync', await check(place, child), ((rose?.atMs ?? 0) - (fell?.atMs ?? 0)) / 1_000)
  })

  it.each(MODES)('on a descriptor that was closed under it, in %s mode', async (sync) => {
    const acknowledged: string[] = []
    const rejected: string[] = []
    const states: boolean[] = []
    const ledger = await ledgerAt(place, { sync, onState: (ok) => states.push(ok) })
    const ask = async (request: string): Promise<boolean> => {
      const ok = await ledger.intent(intentOf(request)).then(
        () => true,
        () => false,
      )
      ;(ok ? acknowledged : rejected).push(request)
      if (ok) ledger.outcome({ ...intentOf(request), status: 200, bytes_in: 0, bytes_out: 0, total_ms: 1, ended: 'complete' })
      return ok
    }
    let worstS = 0
    for (let round = 0; round < ROUNDS; round += 1) {
      expect(await ask(`before_${round}`)).toBe(true)
      await until(() => ledger.state().waitingLines === 0, { withinMs: 2_000, what: 'the outcome' })
      for (const fd of readdirSync('/proc/self/fd')) if (targetOf(fd) === place.file) closeSync(Number(fd))
      expect(await ask(`at_${round}`)).toBe(false)
      const failedMs = performance.now()
      for (let n = 0; !(await ask(`after_${round}_${n}`)); n += 1) await new Promise((resolve) => setTimeout(resolve, 10))
      worstS = Math.max(worstS, (performance.now() - failedMs) / 1_000)
    }
    await ledger.close()
    const faults = states.filter((ok) => !ok).length - 1 // closing is no fault
    figure(`closed descriptor, ${sync}`, await check(place, { acknowledged, rejected, faults }), worstS)
    expect(faults).toBe(ROUNDS)
    expect(worstS).toBeLessThan(2)
  })

  it('on a log directory that is gone', async () => {
    const ledger = await ledgerAt(place)
    await ledger.intent(intentOf('before'))
    rmSync(join(place.dir, 'logs'), { recursive: true })
    writeFileSync(join(place.dir, 'logs'), 'a file in its place')
    await expect(ledgerAt(place)).rejects.toThrow()
    await ledger.close()
  })
})

function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}
