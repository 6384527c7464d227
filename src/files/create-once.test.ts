import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFileOnce } from './index.ts'

/** A process that is killed by its own first write of content. */
const KILLED = `
  import fs from 'node:fs'
  import { syncBuiltinESMExports } from 'node:module'
  const die = () => process.kill(process.pid, 'SIGKILL')
  Object.assign(fs, { writeSync: die, writeFileSync: die, write: die })
  syncBuiltinESMExports()
  const { createFileOnce } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)})
  createFileOnce(process.argv[1], 'content', 0o600)
`

describe('createFileOnce', () => {
  let dir = ''
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'portcullis-once-'))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  it('makes a file with its mode, leaves one that is there, and leaves nothing else', () => {
    const path = join(dir, 'key')
    expect(createFileOnce(path, 'first', 0o600)).toBe(true)
    expect(createFileOnce(path, 'second', 0o600)).toBe(false)
    expect(readFileSync(path, 'utf8')).toBe('first')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(dir)).toEqual(['key'])
  })

  it('says what is in the way', () => {
    writeFileSync(join(dir, 'file'), '')
    expect(() => createFileOnce(join(dir, 'file/key'), 'x', 0o600)).toThrow(/ENOTDIR/)
  })

  it('leaves no empty file under the name when the process is killed before its content is written', () => {
    const path = join(dir, 'key')
    const { signal } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', KILLED, path], { stdio: 'inherit' })
    expect(signal).toBe('SIGKILL')
    expect(readdirSync(dir)).not.toContain('key')
    expect(createFileOnce(path, 'content', 0o600)).toBe(true)
  })
})
