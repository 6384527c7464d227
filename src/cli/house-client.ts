import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Command } from 'commander'
import { loadOrExplain, pathsOrExplain } from './explain.ts'
import type { AdminClient } from './key-client.ts'
import { explainPlaces } from './places.ts'
import { askSocket } from './socket.ts'

export async function keyProgram(): Promise<Command> {
  const { keyCommand } = await import('./key.ts')
  return keyCommand(() => openAdmin('key'))
}

/**
 * The running gateway, found by its socket; or, when none runs, the same house opened here for the length of the command. Either way
 * there is one writer, one chain and one set of rules. `command` is what the ledger says was started.
 */
export async function openAdmin(command: string): Promise<AdminClient> {
  const places = pathsOrExplain()
  const { dataDir } = places
  const socket = join(dataDir, 'portcullis.sock')
  if (existsSync(socket) && (await isAlive(socket))) return clientOf(socket, `${dataDir} (the running gateway)`, async () => {})
  const [{ openHouse }, { createLog }, { systemClock }] = await Promise.all([
    import('../house.ts'),
    import('../ops/index.ts'),
    import('../kernel/index.ts'),
  ])
  const log = createLog('error', process.stderr)
  const house = await openHouse(loadOrExplain(), { log, clock: systemClock, command, keysWhenNeeded: true }).catch((thrown: unknown) => {
    throw explainPlaces(thrown, places)
  })
  return clientOf(house.socket, dataDir, () => house.close())
}

const clientOf = (socket: string, store: string, close: () => Promise<void>): AdminClient => ({
  store,
  request: (method, path, body) => askSocket(socket, method, path, body),
  close,
})

/** A socket whose owner was killed is still a file; only a connection tells. */
function isAlive(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}
