import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunningCaddy, startCaddy } from './caddy.ts'
import { type StandIn, standInGatekeeper } from './stand-in-gatekeeper.ts'

/** The real Caddy before a stand-in, its access log in a file. */
export interface LoggingFront {
  readonly gatekeeper: StandIn
  readonly caddy: RunningCaddy
  /** The log's own folder, where rotated ones would lie too. */
  readonly folder: string
  readonly file: string
  close(): Promise<void>
}

export async function loggingFront(answer: Parameters<StandIn['answerWith']>[0]): Promise<LoggingFront> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-access-'))
  const file = join(folder, 'access.json')
  const gatekeeper = await standInGatekeeper()
  gatekeeper.answerWith(answer)
  const caddy = await startCaddy({
    gatekeeper: gatekeeper.address,
    env: { ACCESS_LOG: 'file', ACCESS_LOG_FILE: file, CLIENT_ADDRESS: 'private' },
  })
  return {
    gatekeeper,
    caddy,
    folder,
    file,
    async close() {
      await caddy.stop()
      await gatekeeper.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
