import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type LedgerPlace, ledgerAt, ledgerPlace, writePairs } from '../../test/support/ledger.ts'
import { auditCommand } from './audit.ts'
import { EXIT } from './terminal.ts'

let place: LedgerPlace
let out: string
let err: string

beforeEach(async () => {
  place = ledgerPlace()
  const ledger = await ledgerAt(place)
  await ledger.lifecycle({ what: 'start', detail: 'esc \u001b[31m' })
  await writePairs(ledger, 0, 5)
  await ledger.close()
  out = ''
  err = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text)
    return true
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
  place.remove()
})

function run(...args: string[]): Promise<unknown> {
  const command = auditCommand(() => ({ ledgerFile: place.file, dataDir: place.keyDir }))
  for (const one of [command, ...command.commands]) one.exitOverride()
  return command.parseAsync(args, { from: 'user' })
}

describe('portcullis audit', () => {
  it('verify says that a whole ledger is whole, and ends with 0', async () => {
    await run('verify')
    expect(out).toMatch(/the seal that was kept is in the ledger[\s\S]*The ledger is whole: 13 lines, 1 seals/)
    expect(err).toBe('')
    expect(process.exitCode ?? EXIT.done).toBe(EXIT.done)
  })

  it('verify names the first bad line of a changed one, and ends with 1', async () => {
    writeFileSync(place.file, readFileSync(place.file, 'utf8').replace('req_00000003', 'req_00000009'))
    await run('verify')
    expect(out).toMatch(/audit\.log:\d+ \(byte \d+\): its hash does not follow/)
    expect(process.exitCode).toBe(EXIT.negative)
    out = ''
    await run('verify', '--json', place.file)
    expect(JSON.parse(out)).toMatchObject({ ok: false, problems: [{ file: place.file }] })
  })

  it.each([
    ['--public-key', 'holds no Ed25519 public key. Name the ledger.pub'],
    ['--seal', 'holds no seal. Name a file'],
  ])('verify names the file given as %s that is something else', async (option, sentence) => {
    const file = join(place.dir, 'notes.txt')
    writeFileSync(file, 'root:x:0:0\n')
    await expect(run('verify', option, file)).rejects.toThrow(`${file} ${sentence}`)
    await expect(run('verify', option, place.dir)).rejects.toThrow(`${place.dir} cannot be used: it is a directory`)
  })

  it('verify takes a public key and a seal from elsewhere', async () => {
    const [key, seal] = [join(place.dir, 'key.pem'), join(place.dir, 'seal')]
    writeFileSync(key, readFileSync(join(place.keyDir, 'ledger.pub')))
    await run('head')
    writeFileSync(seal, out)
    rmSync(place.keyDir, { recursive: true })
    await run('verify', '--public-key', key, '--seal', seal)
    expect(process.exitCode ?? EXIT.done).toBe(EXIT.done)
    const lines = readFileSync(place.file, 'utf8').split('\n')
    writeFileSync(place.file, `${lines.slice(0, -6).join('\n')}\n`)
    await run('verify', '--public-key', key, '--seal', seal, place.file)
    expect(out).toMatch(/the ledger ends at sequence \d+: the seal you hold/)
    expect(process.exitCode).toBe(EXIT.negative)
  })

  it('ends with 3 when there is nothing to read', async () => {
    await expect(run('verify', join(place.dir, 'none.log'))).rejects.toMatchObject({ exitCode: EXIT.unavailable })
    await expect(run('verify', '--public-key', join(place.dir, 'none'))).rejects.toMatchObject({ exitCode: EXIT.unavailable })
    rmSync(place.keyDir, { recursive: true })
    await expect(run('head')).rejects.toMatchObject({ exitCode: EXIT.unavailable })
    rmSync(place.file)
    for (const command of [['verify'], ['tail'], ['export', '--csv']]) {
      await expect(run(...command)).rejects.toMatchObject({ exitCode: EXIT.unavailable, message: expect.stringMatching(/no ledger at/) })
    }
  })

  it('ends with 2 on what it does not understand', async () => {
    await expect(run('export')).rejects.toMatchObject({ exitCode: EXIT.usage })
    await expect(run('tail', '-n', 'many')).rejects.toMatchObject({ code: 'commander.invalidArgument' })
  })

  it('tail shows the latest lines for people, and as they are', async () => {
    await run('tail', '-n', '2')
    expect(out.trim().split('\n')).toHaveLength(2)
    expect(out).toMatch(/outcome.*req_00000004.*\n.*seal/)
    out = ''
    await run('tail', '-n', '100', '--json')
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).seq),
    ).toEqual(Array.from({ length: 13 }, (_, i) => i))
  })

  it('shows nothing that moves a terminal, even from a file that somebody changed', async () => {
    writeFileSync(place.file, `${readFileSync(place.file, 'utf8')}\u001b[2Jgone {"event":"x\n`)
    await run('tail', '-n', '100')
    await run('tail', '-n', '100', '--json')
    expect(out).toContain('\\u001b[2Jgone')
    expect(out.replaceAll(/\u001b\[\d+m/g, '')).not.toContain('\u001b')
  })

  it('exports to a file, and says how many rows', async () => {
    const file = join(place.dir, 'ledger.csv')
    await run('export', '--csv', '--output', file)
    expect(readFileSync(file, 'utf8').trimEnd().split('\r\n')).toHaveLength(14)
    expect(err).toMatch(/13 rows written/)
    await run('export', '--csv', place.file)
    expect(out).toBe(readFileSync(file, 'utf8'))
  })
})
