import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { acquireOwner } from '../../src/storage/index.ts'
import { manualClock } from '../support/clock.ts'
import { type KeyHouse, openKeyHouse, present } from '../support/key-house.ts'

const KILLS = process.env.PORTCULLIS_LONG === '1' ? 40 : 4

/** Makes a key, rotates it and disables every second one, as fast as it can; each line is something that was acknowledged. */
const WORKER = `
  import { acquireOwner } from ${JSON.stringify(new URL('../../src/storage/index.ts', import.meta.url).href)}
  import { newKey, openKeyHouse } from ${JSON.stringify(new URL('../support/key-house.ts', import.meta.url).href)}
  import { systemClock } from ${JSON.stringify(new URL('../../src/kernel/index.ts', import.meta.url).href)}
  acquireOwner(process.argv[1], { command: 'worker', clock: systemClock })
  const { identity: { keys } } = await openKeyHouse({ dir: process.argv[1] })
  const say = (...words) => process.stdout.write(words.join(' ') + '\\n')
  for (let n = 0; ; n += 1) {
    const { key, apiKey } = await keys.create(newKey())
    say('made', key.id, apiKey.reveal())
    if (n % 2 === 0) {
      await keys.disable(key.id)
      say('disabled', key.id, apiKey.reveal())
    } else {
      say('rotated', key.id, (await keys.rotate(key.id, { graceMs: 0 })).apiKey.reveal())
    }
  }
`

let house: KeyHouse
beforeEach(async () => {
  house = await openKeyHouse()
})
afterEach(() => house.close())

async function workAndDie(dir: string, lines: number): Promise<string[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', WORKER, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const heard: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    heard.push(line)
    if (heard.length === lines) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return heard
}

describe('a killed owner', () => {
  it(`loses nothing that it acknowledged, in ${KILLS} kills`, { timeout: KILLS * 15_000 }, async () => {
    for (let kill = 0; kill < KILLS; kill += 1) {
      await house.identity.close()
      await house.store.close()
      const heard = await workAndDie(house.dir, 5 + ((kill * 7) % 12))
      acquireOwner(house.dir, { command: 'test', clock: manualClock() }).release()
      house = await openKeyHouse({ dir: house.dir })
      expect(house.store.faults()).toEqual([])
      const last = new Map(heard.map((line) => [line.split(' ')[1], line.split(' ')]))
      for (const [what, id = '', text = ''] of last.values()) {
        // The last line may have been followed by a change that was made and not yet told.
        if (what === 'made') expect(house.identity.keys.show(id).id).toBe(id)
        else expect(await present(house.identity, text)).toBe(what === 'disabled' ? 'UNAUTHORIZED disabled' : `in ${id}`)
      }
    }
  })
})
