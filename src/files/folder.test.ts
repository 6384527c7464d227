import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeFolder } from './folder.ts'

describe('makeFolder', () => {
  let dir = ''
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'portcullis-folder-'))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  it('makes all that is missing, with its mode, and again', () => {
    makeFolder(join(dir, 'a/b/c'), 0o700)
    makeFolder(join(dir, 'a/b/c'), 0o700)
    expect(statSync(join(dir, 'a/b')).mode & 0o777).toBe(0o700)
  })

  it('says at once what is in the way', () => {
    writeFileSync(join(dir, 'file'), '')
    expect(() => makeFolder(join(dir, 'file/below'), 0o700)).toThrow(/ENOTDIR|EEXIST/)
    expect(() => makeFolder('/proc/portcullis', 0o700)).toThrow(/ENOENT/)
  })
})
