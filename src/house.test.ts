import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { askSocket } from './cli/socket.ts'
import { loadConfig } from './config.ts'
import { keyWithSecret } from './contract/index.ts'
import { openHouse, socketPath } from './house.ts'
import { systemClock } from './kernel/index.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'p-'))
})
afterEach(() => rmSync(root, { recursive: true }))

const dataDirFor = (socketBytes: number): string => join(root, 'd'.repeat(socketBytes - Buffer.byteLength(socketPath(root)) - 1))
const open = (dataDir: string, keysWhenNeeded = false) =>
  openHouse(loadConfig({ DATA_DIR: dataDir, AUDIT_LOG_FILE: join(root, 'logs', 'audit.log') }), {
    log: pino({ level: 'silent' }),
    clock: systemClock,
    command: 'test',
    keysWhenNeeded,
  })

it('a management socket of 107 bytes is where it was said to be', async () => {
  const dataDir = dataDirFor(107)
  const house = await open(dataDir)
  try {
    expect(Buffer.byteLength(house.socket)).toBe(107)
    expect(statSync(house.socket).isSocket()).toBe(true)
  } finally {
    await house.close()
  }
})

it('one of 108 bytes is refused by a sentence that says so', async () => {
  await expect(open(dataDirFor(108))).rejects.toThrow(/portcullis\.sock cannot be opened \(its path may hold at most 107 bytes\)/)
})

it('a house that waits with its keys lists them without taking them into memory, and takes them for anything else', async () => {
  const dataDir = join(root, 'data')
  const before = await open(dataDir)
  const made = await askSocket(before.socket, 'POST', '/admin/api/keys', { user: 'ada', rights: ['chat'] })
  const { id } = keyWithSecret.parse(made.body)
  const listed = await askSocket(before.socket, 'GET', '/admin/api/keys')
  await before.close()
  const house = await open(dataDir, true)
  try {
    expect(await askSocket(house.socket, 'GET', '/admin/api/keys')).toEqual(listed)
    expect(house.identity.stats().keys).toBe(0)
    expect(await askSocket(house.socket, 'POST', `/admin/api/keys/${id}/disable`)).toMatchObject({ body: { id, state: 'disabled' } })
    expect(house.identity.stats().keys).toBe(1)
    expect(await askSocket(house.socket, 'GET', '/admin/api/keys')).toMatchObject({ body: { keys: [], total: 0 } })
  } finally {
    await house.close()
  }
})
