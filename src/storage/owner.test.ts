import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { manualClock } from '../../test/support/clock.ts'
import { until } from '../../test/support/until.ts'
import { acquireOwner, DataDirTaken } from './index.ts'

let dir: string
let child: ChildProcess | null = null
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'portcullis-owner-'))
})
afterEach(() => {
  child?.kill('SIGKILL')
  child = null
  rmSync(dir, { recursive: true, force: true })
})

const clock = manualClock()
const taken = (): unknown => {
  try {
    acquireOwner(dir, { command: 'key', clock }).release()
    return null
  } catch (thrown) {
    return thrown
  }
}

const HOLDER = `
  import { acquireOwner } from ${JSON.stringify(new URL('./owner.ts', import.meta.url).href)}
  acquireOwner(process.argv[1], { command: 'serve', clock: { nowMs: () => 0, monoMs: () => 0 } })
  process.stdout.write('held')
  setInterval(() => {}, 1000)
`

describe('the owner of a data directory', () => {
  it('is one at a time within a process, and can give it back', () => {
    const first = acquireOwner(dir, { command: 'serve', clock })
    expect(taken()).toBeInstanceOf(DataDirTaken)
    // A failed attempt must not have dropped the lock that the first one holds.
    expect(taken()).toBeInstanceOf(DataDirTaken)
    first.release()
    first.release()
    expect(taken()).toBeNull()
  })

  it('says who it is', () => {
    const owner = acquireOwner(dir, { command: 'serve', clock })
    expect(taken()).toMatchObject({ owner: { pid: process.pid, command: 'serve', since: '2026-11-20T12:00:00.000Z' } })
    expect(String(taken())).toContain(`${dir} is in use by process ${process.pid}`)
    expect(JSON.parse(readFileSync(join(dir, 'owner.json'), 'utf8'))).toEqual(owner.info)
    for (const name of ['owner.json', 'owner.db']) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600)
    owner.release()
  })

  it('is gone as soon as its process is killed', async () => {
    child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', HOLDER, dir], { stdio: ['ignore', 'pipe', 'inherit'] })
    const { stdout } = child
    if (!stdout) throw new Error('the child has no stdout')
    await once(stdout, 'data')
    expect(taken()).toMatchObject({ name: 'DataDirTaken', owner: { pid: child.pid, command: 'serve' } })
    child.kill('SIGKILL')
    await once(child, 'exit')
    await until(() => taken() === null, { withinMs: 2_000, what: 'the lock of a killed process to be free' })
  })
})
