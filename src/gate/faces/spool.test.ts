import { mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { readdir, readlink, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../../test/support/until.ts'
import { createSpool } from './spool.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'portcullis-spool-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const source = (...parts: string[]) => Readable.from(parts.map((part) => Buffer.from(part)))

/** Open files of this process that stand in the spool, with their modes. */
async function openFiles(): Promise<number[]> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map(async (fd) => ({ fd, to: await readlink(`/proc/self/fd/${fd}`).catch(() => '') })),
  )
  return Promise.all(links.filter(({ to }) => to.startsWith(dir)).map(async ({ fd }) => (await stat(`/proc/self/fd/${fd}`)).mode & 0o777))
}

describe('the spool', () => {
  it('gives a file back framed, as often as it is asked for, until it is let go', async () => {
    const spool = createSpool({ dir, bytesMax: 100 })
    const kept = await spool.keep('ada', source('so', 'und'))
    expect([kept.bytes, spool.bytes]).toEqual([5, 5])
    const whole = Buffer.concat(await kept.between(Buffer.from('<'), Buffer.from('>')).toArray())
    expect(String(whole)).toBe('<sound>')
    for await (const _part of kept.between(Buffer.from('<'), Buffer.from('>'))) break
    expect(String(Buffer.concat(await kept.between(Buffer.from('('), Buffer.from(')')).toArray()))).toBe('(sound)')
    expect(spool.bytes).toBe(5)
    kept.letGo()
    expect(spool.bytes).toBe(0)
    await until(async () => (await openFiles()).length === 0, { withinMs: 1_000, what: 'the file to be closed' })
  })

  it('keeps files that have no name and that nobody else may open', async () => {
    const spool = createSpool({ dir, bytesMax: 100 })
    const kept = await spool.keep('ada', source('sound'))
    expect(readdirSync(dir)).toEqual([])
    expect(await openFiles()).toEqual([0o600])
    kept.letGo()
    kept.letGo()
    expect(spool.bytes).toBe(0)
    await until(async () => (await openFiles()).length === 0, { withinMs: 1_000, what: 'the file to be closed' })
  })

  it('has one bound for all, and a quarter of it for each', async () => {
    const spool = createSpool({ dir, bytesMax: 20 })
    const first = await spool.keep('ada', source('sound'))
    await expect(spool.keep('ada', source('s'))).rejects.toMatchObject({ code: 'SPOOL_FULL', status: 503 })
    const others = await Promise.all(['eve', 'bob', 'joe'].map((caller) => spool.keep(caller, source('so', 'und'))))
    expect(spool.bytes).toBe(20)
    await expect(spool.keep('kim', source('s'))).rejects.toMatchObject({ code: 'SPOOL_FULL', status: 503 })
    first.letGo()
    const second = await spool.keep('kim', source('5 byt'))
    expect(spool.bytes).toBe(20)
    for (const kept of [second, ...others]) kept.letGo()
    await until(async () => (await openFiles()).length === 0, { withinMs: 1_000, what: 'the files to be closed' })
  })

  it('lets a file go when its source breaks, and says why it broke', async () => {
    const spool = createSpool({ dir, bytesMax: 100 })
    const broken = (async function* () {
      yield Buffer.from('so')
      throw new Error('left')
    })()
    await expect(spool.keep('ada', broken)).rejects.toThrow('left')
    expect(spool.bytes).toBe(0)
    await until(async () => (await openFiles()).length === 0, { withinMs: 1_000, what: 'the file to be closed' })
  })

  it('breaks whoever reads a file that is let go, and keeps nothing of it', async () => {
    const spool = createSpool({ dir, bytesMax: 40_000_000 })
    const large = await spool.keep('ada', Readable.from([Buffer.alloc(4_000_000)]))
    const body = large.between(Buffer.from('<'), Buffer.from('>'))
    let bytes = 0
    const reading = (async () => {
      for await (const part of body) {
        bytes += part.length
        if (bytes > 1) large.letGo()
      }
    })()
    await expect(reading).rejects.toThrow()
    expect([bytes < 4_000_000, spool.bytes]).toEqual([true, 0])
    await until(async () => (await openFiles()).length === 0, { withinMs: 1_000, what: 'the file to be closed' })
  })

  it('says so when there is no place for a file', async () => {
    const taken = join(dir, 'taken')
    writeFileSync(taken, '')
    const spool = createSpool({ dir: taken, bytesMax: 100 })
    await expect(spool.keep('ada', source('sound'))).rejects.toMatchObject({ code: 'SPOOL_FULL', reason: expect.stringContaining('taken') })
  })

  it('closes a file whose name could not be taken away', async () => {
    const spool = createSpool({ dir, bytesMax: 100 })
    const keeping = spool.keep('ada', source('sound'))
    // The file is made in another thread. While this one is held up here, somebody else takes the name away, and the spool will find none.
    const giveUpAt = performance.now() + 5_000
    while (readdirSync(dir).length === 0 && performance.now() < giveUpAt);
    for (const name of readdirSync(dir)) unlinkSync(join(dir, name))
    await expect(keeping).rejects.toMatchObject({ code: 'SPOOL_FULL', cause: { code: 'ENOENT', syscall: 'unlink' } })
    expect([await openFiles(), spool.bytes]).toEqual([[], 0])
  })
})
