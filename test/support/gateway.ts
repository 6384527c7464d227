import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { listSegments, type VerifyReport, verifyLedger } from '../../src/audit/index.ts'
import { type Config, loadConfig } from '../../src/config.ts'
import type { OutcomeLine, RefusedLine } from '../../src/contract/index.ts'
import type { NewKeyInput } from '../../src/identity/index.ts'
import { type Gateway, startGateway } from '../../src/main.ts'
import { until } from './until.ts'

type Environment = Readonly<Record<string, string>>

/** A directory of a gateway's own: `data/` and `logs/audit.log`. */
export interface GatewayPlace {
  readonly dir: string
  readonly dataDir: string
  readonly ledgerFile: string
  readonly env: Environment
  remove(): void
}

export interface TestKey {
  readonly id: string
  readonly text: string
}

export interface GatewayUnderTest extends GatewayPlace {
  readonly port: number
  readonly url: string
  readonly config: Config
  readonly gateway: Gateway
  /** What the operations log holds so far. */
  log(): string
  key(over?: Partial<NewKeyInput>): Promise<TestKey>
  /** Waits until nothing is in the corridor. */
  quiet(): Promise<void>
  /** The ledger as it is on disk, when nothing waits for it any more. */
  lines(): Promise<readonly LedgerRecord[]>
  outcomes(): Promise<readonly OutcomeLine[]>
  refusals(): Promise<readonly RefusedLine[]>
  /** Drains, verifies the whole ledger against its latest seal, and removes everything unless told to keep it. Throws when the ledger does not hold. */
  stop(options?: { readonly keep?: boolean }): Promise<VerifyReport>
}

export type LedgerRecord = Readonly<Record<string, unknown>> & { readonly event: string }

export function gatewayPlace(env: Environment = {}): GatewayPlace {
  const dir = mkdtempSync(join(tmpdir(), 'portcullis-gate-'))
  const [dataDir, ledgerFile] = [join(dir, 'data'), join(dir, 'logs', 'audit.log')]
  return {
    dir,
    dataDir,
    ledgerFile,
    env: {
      PORTCULLIS_CONFIG: '/dev/null',
      HOST: '127.0.0.1',
      PORT: '0',
      DATA_DIR: dataDir,
      AUDIT_LOG_FILE: ledgerFile,
      ...NO_OTHERS,
      ...env,
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  }
}

/** Services that a test does not name are off, so that nothing of it depends on them. */
const NO_OTHERS: Environment = { TTS_ENABLED: 'false', IMAGE_ENABLED: 'false', WHISPER_ENABLED: 'false', LOG_LEVEL: 'debug' }

/** The whole gateway in this process, on a free port and in a directory of its own. */
export async function startTestGateway(env: Environment = {}, place = gatewayPlace(env)): Promise<GatewayUnderTest> {
  const config = loadConfig(place.env)
  const written: string[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk))
      done()
    },
  })
  const gateway = await startGateway(config, { log: pino({ level: config.logLevel }, sink) })
  const { house, port } = gateway
  const quiet = async (): Promise<void> => {
    await until(() => house.corridor.inFlight.size === 0, { withinMs: 10_000, what: 'the corridor to be empty' })
  }
  const lines = async (): Promise<readonly LedgerRecord[]> => {
    await quiet()
    await until(() => house.ledger.state().waitingLines === 0, { withinMs: 10_000, what: 'the ledger to be written' })
    return readRecords(place.ledgerFile)
  }
  return {
    ...place,
    port,
    url: `http://127.0.0.1:${port}`,
    config,
    gateway,
    log: () => written.join(''),
    key: async (over = {}) => {
      const { key, apiKey } = await house.identity.keys.create({ ...ORDINARY, ...over })
      return { id: key.id, text: apiKey.reveal() }
    },
    quiet,
    lines,
    outcomes: async () => (await lines()).filter((line) => line.event === 'outcome') as unknown as OutcomeLine[], // written by the ledger, told by its event
    refusals: async () => (await lines()).filter((line) => line.event === 'refused') as unknown as RefusedLine[], // as above
    stop: async ({ keep = false } = {}) => {
      try {
        await gateway.drain('test')
        return await verifyPlace(place)
      } finally {
        if (!keep) place.remove()
      }
    },
  }
}

const ORDINARY: NewKeyInput = { user: 'ada', rights: ['all'], description: '', expiresMs: null, rate: null, concurrency: 100 }

/** Every record of a ledger, segment after segment. One that a fault ended may hold half a line. */
export function readRecords(ledgerFile: string): LedgerRecord[] {
  return listSegments(ledgerFile).flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((text): LedgerRecord[] => (text === '' || (file.includes('.broken-') && !text.endsWith('}')) ? [] : [JSON.parse(text)])),
  )
}

/** The ledger of a gateway that has ended; throws when it does not verify, or when a request has no outcome. */
export async function verifyPlace({ dataDir, ledgerFile }: Pick<GatewayPlace, 'dataDir' | 'ledgerFile'>): Promise<VerifyReport> {
  const report = await verifyLedger(listSegments(ledgerFile), {
    publicKey: readFileSync(join(dataDir, 'ledger.pub'), 'utf8'),
    heldSeal: readFileSync(join(dataDir, 'ledger.seal'), 'utf8'),
    whole: true,
  })
  if (!report.ok) throw new Error(`the ledger does not verify: ${JSON.stringify(report.problems.slice(0, 3))}`)
  if (report.unfinishedCount > 0)
    throw new Error(`${report.unfinishedCount} requests have no outcome: ${JSON.stringify(report.unfinished.slice(0, 3))}`)
  return report
}
