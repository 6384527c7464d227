import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadOrCreateKey, readKeyFile, readSecretFile, SecretFileFault } from './index.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'portcullis-secret-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const file = (text: string, mode = 0o600, name = 'secret') => {
  const path = join(dir, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

describe('a secret file', () => {
  it('is read without the newline at its end, and does not print itself', () => {
    const secret = readSecretFile(file('hunter2\r\n'))
    expect(secret.reveal()).toBe('hunter2')
    expect(`${secret} ${JSON.stringify(secret)}`).not.toContain('hunter2')
  })

  it.each([0o644, 0o640, 0o604, 0o660, 0o777])('that others can read is refused, with the command that mends it (%o)', (mode) => {
    const path = file('hunter2', mode)
    expect(() => readSecretFile(path)).toThrow(SecretFileFault)
    expect(() => readSecretFile(path)).toThrow(`chmod 600 '${path}'`)
  })

  it('is judged by what a link leads to', () => {
    file('hunter2', 0o644)
    const link = join(dir, 'link')
    symlinkSync(join(dir, 'secret'), link)
    expect(() => readSecretFile(link)).toThrow('mode 0644')
  })

  it.each([
    ['is missing', () => join(dir, 'nothing'), 'does not exist'],
    ['is empty', () => file('\n'), 'is empty'],
    ['is a directory', () => dir, 'is not a regular file'],
    ['is too large', () => file('x'.repeat(65 * 1024)), 'at most 65536 are read'],
  ])('that %s is refused with a clear message', (_what, path, message) => {
    const made = path()
    expect(() => readSecretFile(made)).toThrow(message)
  })

  it.each(['', '\n', ' \n'])('that should hold old keys and holds %j is refused with what to write into it', (text) => {
    expect(() => readKeyFile(file(text))).toThrow(/secret is empty, .* where there are no keys it has to say \{\}/)
    expect(readKeyFile(file('{}\n', 0o600, 'none')).content).toBe('{}')
  })

  it('that is a pipe does not hold the process', () => {
    const pipe = join(dir, 'pipe')
    execFileSync('mkfifo', [pipe])
    expect(() => readSecretFile(pipe)).toThrow('is not a regular file')
  })
})

describe('a key file of ours', () => {
  it('is made once, 0600, and gives the same 32 bytes ever after', () => {
    const path = join(dir, 'sub', 'pepper')
    const key = loadOrCreateKey(path)
    expect(key).toHaveLength(32)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(loadOrCreateKey(path).equals(key)).toBe(true)
  })

  it('that was opened to others or cut short is refused, not replaced', () => {
    const path = join(dir, 'pepper')
    loadOrCreateKey(path)
    chmodSync(path, 0o644)
    expect(() => loadOrCreateKey(path)).toThrow('chmod 600')
    file('c2hvcnQ', 0o600, 'pepper')
    expect(() => loadOrCreateKey(path)).toThrow('restore it from a backup')
  })
})
