import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type LedgerPlace, ledgerAt, ledgerPlace, linesOf, verifyPlace, writePairs } from '../../test/support/ledger.ts'
import { assertBelonging } from './belonging.ts'
import { listSegments } from './names.ts'

let place: LedgerPlace
beforeEach(() => {
  place = ledgerPlace()
})
afterEach(() => place.remove())

/** Opens the ledger, writes a few lines and closes it. */
async function visit(at: LedgerPlace, options: Parameters<typeof ledgerAt>[1] = {}): Promise<void> {
  const ledger = await ledgerAt(at, options)
  await writePairs(ledger, 0, 20)
  await ledger.close()
}

const whole = async (at: LedgerPlace): Promise<void> => {
  expect(await verifyPlace(at)).toMatchObject({ ok: true, problemCount: 0, heldSealFound: true })
}

/** Every file below the place with its content. */
const all = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(place.dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => [join(entry.parentPath, entry.name), readFileSync(join(entry.parentPath, entry.name), 'latin1')]),
  )

/** Opening is refused by this, and leaves every file as it was. */
async function refused(at: LedgerPlace, why: RegExp): Promise<void> {
  const before = all()
  await expect(assertBelonging(at)).rejects.toThrow(why)
  expect(all()).toEqual(before)
  await expect(ledgerAt(at)).rejects.toThrow(why)
  const after = all()
  // The lock is taken before anybody looks for good, and stays.
  expect({ ...after, [join(dirname(at.file), 'audit.lock')]: '' }).toEqual({ ...before, [join(dirname(at.file), 'audit.lock')]: '' })
}

const reasonOf = (at: LedgerPlace): Promise<string> => assertBelonging(at).then(String, String)

/** Does what a refusal says about moving files. */
const follow = (reason: string): void => void execFileSync('sh', ['-c', /mkdir .*/.exec(reason)?.[0] ?? 'false'])

const NOT_TOGETHER =
  /do not belong together: .* is signed by another key.*Nothing was changed\.\nSet AUDIT_LOG_FILE to .*\n.*move the old files away/
const ANOTHER = /keeps the ledger .*Nothing was changed\.\nSet AUDIT_LOG_FILE to .*move its files to the new place.*\n.*rm '.*ledger\.path'/

describe('a ledger of another key', () => {
  const other = (): LedgerPlace => ({ ...place, keyDir: join(place.dir, 'other') })

  it('is not taken over by a data directory without a key', async () => {
    await visit(place)
    await refused(other(), NOT_TOGETHER)
    expect(existsSync(other().keyDir)).toBe(false)
    await whole(place)
  })

  it('nor by one with a key and a ledger of its own, whose file is named', async () => {
    await visit(place)
    const own = join(place.dir, 'own', 'audit.log')
    await visit({ ...other(), file: own })
    await refused(other(), new RegExp(`Set AUDIT_LOG_FILE to ${own}`))
    await whole(place)
    await whole({ ...other(), file: own })
  })

  it('nor when the key of the right directory was lost', async () => {
    await visit(place)
    const key = join(place.keyDir, 'ledger.key')
    renameSync(key, `${key}.away`)
    await refused(place, /do not belong together.*and the directory has none.*\n.*lost or replaced: put that back/)
    renameSync(`${key}.away`, key)
    await visit(place)
    await whole(place)
  })

  it.each([
    ['a torn end', (file: string) => writeFileSync(file, readFileSync(file).subarray(0, -40))],
    ['finished segments only', (file: string) => rmSync(file)],
    ['an empty active file', (file: string) => writeFileSync(file, '')],
    ['an active file whose open record is torn', (file: string) => writeFileSync(file, '\n{"v":1,"time":"2026-')],
    ['a file of somebody else in its place', (file: string) => writeFileSync(file, 'not ours\n')],
  ])('nor with %s', async (_what, harm) => {
    await visit(place, { rotateMiB: 0.005 })
    expect(listSegments(place.file).length).toBeGreaterThan(1)
    harm(place.file)
    await refused(other(), NOT_TOGETHER)
    await visit(place)
  })

  it('is what an open record says: a file without one belongs to nobody', async () => {
    mkdirSync(dirname(place.file), { recursive: true })
    writeFileSync(join(dirname(place.file), 'audit-20250604T082054Z-1.log'), '')
    writeFileSync(place.file, '{"v":1,"event":"open"')
    await visit(place)
    expect(readdirSync(dirname(place.file)).some((name) => name.includes('unreadable'))).toBe(true)
  })

  it('moved away as the refusal says, makes room for a new one', async () => {
    await visit(place, { rotateMiB: 0.005 })
    follow(await reasonOf(other()))
    expect(readdirSync(dirname(place.file)).sort()).toEqual(['audit.lock', 'old'])
    await visit(other())
    await whole(other())
    await whole({ ...place, file: join(dirname(place.file), 'old', 'audit.log') })
  })
})

describe('the ledger that a data directory keeps', () => {
  const pathFile = (): string => join(place.keyDir, 'ledger.path')
  const moved = (): LedgerPlace => ({ ...place, file: join(place.dir, 'new', 'audit.log') })
  const move = (): void => {
    rmSync(dirname(moved().file), { recursive: true, force: true }) // a refusal leaves the lock there
    renameSync(dirname(place.file), dirname(moved().file))
  }

  it('is remembered when it is first opened, for its owner alone', async () => {
    await visit(place)
    expect(readFileSync(pathFile(), 'utf8')).toBe(`${place.file}\n`)
    expect(statSync(pathFile()).mode & 0o777).toBe(0o600)
    expect(readdirSync(place.keyDir).sort()).toEqual(['ledger.key', 'ledger.path', 'ledger.pub', 'ledger.seal'])
  })

  it('is remembered by a directory from before there was such a file', async () => {
    await visit(place)
    rmSync(pathFile())
    await visit(place)
    expect(readFileSync(pathFile(), 'utf8')).toBe(`${place.file}\n`)
    await refused(moved(), ANOTHER)
  })

  it('is the only one: at another place nothing is begun', async () => {
    await visit(place)
    await refused(moved(), ANOTHER)
    await whole(place)
    await visit(place)
    await whole(place)
    follow(await reasonOf(moved()))
    await visit(moved())
    await whole(moved())
  })

  it.each([false, true])('may be moved: the kept seal tells that it is the same (compressed: %s)', async (compressed) => {
    await visit(place)
    if (compressed) {
      const [open] = linesOf(place.file)
      writeFileSync(join(dirname(place.file), `${open?.segment}.log.gz`), gzipSync(readFileSync(place.file)))
      rmSync(place.file)
    }
    move()
    await visit(moved())
    expect(readFileSync(pathFile(), 'utf8')).toBe(`${moved().file}\n`)
    await whole(moved())
    await refused(place, ANOTHER)
  })

  it('is not one that is older than the kept seal', async () => {
    await visit(place)
    cpSync(dirname(place.file), dirname(moved().file), { recursive: true })
    await visit(place)
    await refused(moved(), ANOTHER)
    await whole(place)
  })

  it('is the same through a link, also when the link was made later', async () => {
    const link = { ...place, file: join(place.dir, 'link', 'audit.log') }
    await visit(place)
    symlinkSync(dirname(place.file), dirname(link.file))
    await visit(link)
    expect(readFileSync(pathFile(), 'utf8')).toBe(`${place.file}\n`)
    move()
    symlinkSync(dirname(moved().file), dirname(place.file))
    await visit(moved())
    expect(readFileSync(pathFile(), 'utf8')).toBe(`${moved().file}\n`)
    await whole(moved())
  })

  it('is missed when all its files are gone, because the kept seal is all that tells of them', async () => {
    await visit(place)
    rmSync(dirname(place.file), { recursive: true })
    await refusedThough(moved(), /which has no files there any more/)
    rmSync(pathFile())
    await visit(moved())
    expect(readFileSync(pathFile(), 'utf8')).toBe(`${moved().file}\n`)
    // It was on purpose, and yet the new ledger says what came before it.
    expect(linesOf(moved().file).some((line) => line.what === 'fault' && String(line.detail).includes('before the seal'))).toBe(true)
    await whole(moved())
  })

  it('without a seal, is given up only when nothing of it is left where it was', async () => {
    await visit(place)
    rmSync(join(place.keyDir, 'ledger.seal'))
    await refused(moved(), ANOTHER)
    move()
    await visit(moved())
    await whole(moved())
  })
})

/** The same where the ledger's folder is not there yet: the lock needs it. */
async function refusedThough(at: LedgerPlace, why: RegExp): Promise<void> {
  await expect(assertBelonging(at)).rejects.toThrow(why)
  expect(existsSync(dirname(at.file))).toBe(false)
  await expect(ledgerAt(at)).rejects.toThrow(why)
}
