import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLateSealer, SealBroken } from './index.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'portcullis-late-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

it('makes its key with the first thing that is sealed, and never to open one', () => {
  const file = join(dir, 'contents.key')
  const sealer = createLateSealer(file)
  expect(existsSync(file)).toBe(false)
  const sealed = sealer.sealBytes(Buffer.from('plain'), 'req_1')
  expect(createLateSealer(file).openBytes(sealed, 'req_1').toString()).toBe('plain')
  rmSync(file)
  expect(() => createLateSealer(file).openBytes(sealed, 'req_1')).toThrow(/is gone; restore that file/)
  expect(existsSync(file)).toBe(false)
  createLateSealer(file).sealBytes(Buffer.from('other'), 'req_2')
  const open = () => createLateSealer(file).openBytes(sealed, 'req_1')
  expect(open).toThrow(SealBroken)
  expect(open).toThrow(/exchanged or made anew since/)
  expect(open).not.toThrow(/give the secret again/)
})
