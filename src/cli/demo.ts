import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import pc from 'picocolors'
import { createHealth } from '../catalog/index.ts'
import { loadConfig, PACKAGE_ROOT } from '../config.ts'
import { type StandIns, startStandIns } from '../demo/index.ts'
import { probeOf } from '../dialects/index.ts'
import { systemClock } from '../kernel/index.ts'
import { type Gateway, startGateway } from '../main.ts'
import { createLog } from '../ops/index.ts'
import { EXIT, say } from './terminal.ts'

const FIRST_PORT = 8080
const PORTS_TRIED = 50

export function demoCommand(): Command {
  return new Command('demo')
    .description('run the gateway with stand-in backends and a fresh data directory')
    .option('--real', 'use the real backends that can be reached, and stand-ins for the others')
    .option('--port <port>', 'where to listen', String(FIRST_PORT))
    .action(demo)
}

async function demo({ real = false, port: wanted }: { real?: boolean; port: string }): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'portcullis-demo-'))
  const standIns = await startStandIns()
  try {
    const urls = real ? await preferReal(standIns) : standInUrls(standIns)
    const port = await freePort(Number(wanted))
    const config = loadConfig({
      PORTCULLIS_CONFIG: '/dev/null',
      PORT: String(port),
      DATA_DIR: join(dir, 'data'),
      AUDIT_LOG_FILE: join(dir, 'audit.log'),
      LOG_LEVEL: 'warn',
      ...urls,
    })
    const gateway = await startGateway(config, { log: createLog('warn', process.stderr), command: 'demo' })
    await introduce(gateway, { dir, wanted: Number(wanted), real, standIns: Object.values(standInUrls(standIns)), urls })
    cleanUpOnSignal(gateway, standIns, dir)
  } catch (error) {
    await standIns.close()
    rmSync(dir, { recursive: true, force: true })
    throw error
  }
}

type Urls = Record<'OLLAMA_URL' | 'TTS_URL' | 'IMAGE_URL' | 'WHISPER_URL', string>

const standInUrls = (standIns: StandIns): Urls => ({
  OLLAMA_URL: standIns.ollama.url,
  TTS_URL: standIns.tts.url,
  IMAGE_URL: standIns.image.url,
  WHISPER_URL: standIns.whisper.url,
})

const VARIABLE_OF: Readonly<Record<string, keyof Urls>> = { chat: 'OLLAMA_URL', tts: 'TTS_URL', image: 'IMAGE_URL', whisper: 'WHISPER_URL' }

/** Each real backend that answers at its configured address, and a stand-in in the place of each that does not. */
async function preferReal(standIns: StandIns): Promise<Urls> {
  const silent = { info() {}, warn() {} }
  const { services } = loadConfig()
  const health = createHealth({ services, probeOf: ({ dialect }) => probeOf(dialect), clock: systemClock, log: silent })
  await health.check()
  const urls = standInUrls(standIns)
  for (const { service, up, url } of health.read()) {
    const variable = VARIABLE_OF[service]
    if (up && variable !== undefined) urls[variable] = url
  }
  health.stop()
  return urls
}

async function freePort(first: number): Promise<number> {
  for (let port = first; port < first + PORTS_TRIED; port += 1) if (await isFree(port)) return port
  throw new Error(`no free port from ${first} to ${first + PORTS_TRIED - 1}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

interface Introduction {
  readonly dir: string
  readonly wanted: number
  readonly real: boolean
  readonly standIns: readonly string[]
  readonly urls: Urls
}

async function introduce(gateway: Gateway, { dir, wanted, standIns, urls }: Introduction): Promise<void> {
  const { apiKey } = await gateway.house.identity.keys.create({
    user: 'demo',
    rights: ['all'],
    description: 'made by the demo',
    expiresMs: null,
    rate: null,
    concurrency: 100,
  })
  const keyFile = join(dir, 'key')
  writeFileSync(keyFile, apiKey.reveal(), { mode: 0o600 })
  if (gateway.port !== wanted) say.out(`Port ${wanted} is taken, so the demo runs on ${gateway.port}.`)
  say.out(`${pc.bold('Portcullis')} listens on http://127.0.0.1:${gateway.port}`)
  for (const [variable, url] of Object.entries(urls)) {
    say.out(`  ${variable.slice(0, -4).toLowerCase().padEnd(8)}${standIns.includes(url) ? 'a stand-in, made for this demo' : url}`)
  }
  say.out(`\nA new key, shown this once: ${pc.bold(apiKey.reveal())}`)
  say.out(`(the lines below read it from ${keyFile})\n`)
  for (const line of pasteLines(`http://127.0.0.1:${gateway.port}`, dir, keyFile)) say.out(`${line}\n`)
  say.out('Ctrl-C ends the demo and removes everything it made.')
}

function pasteLines(base: string, dir: string, keyFile: string): readonly string[] {
  const q = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`
  const key = `-H "X-API-Key: $(cat ${q(keyFile)})"`
  const speech = q(join(dir, 'hello.wav'))
  return [
    `curl -sN ${base}/chat/api/generate ${key} -d '{"model":"stand-in","prompt":"Why is the sky blue?"}'`,
    `curl -s ${base}/tts/api/speak ${key} -d '{"text":"Hello from behind the gate","voice":"en-US-JennyNeural"}' -o ${speech} && ls -l ${speech}`,
    `curl -s ${base}/image/api/generate/simple ${key} -H 'Accept: image/png' -d '{"prompt":"a castle at dawn"}' -o ${q(join(dir, 'castle.png'))} && ls -l ${q(join(dir, 'castle.png'))}`,
    `curl -s ${base}/whisper/api/transcribe ${key} -F file=@${speech}`,
    `${q(join(PACKAGE_ROOT, 'scripts', 'analyze-logs'))} --log-file ${q(join(dir, 'audit.log'))}`,
  ]
}

function cleanUpOnSignal(gateway: Gateway, standIns: StandIns, dir: string): void {
  let leaving = false
  const leave = (): void => {
    if (leaving) return
    leaving = true
    say.out('\nEnding the demo.')
    void gateway
      .drain('the demo ends')
      .then(() => standIns.close())
      .finally(() => {
        rmSync(dir, { recursive: true, force: true })
        process.exit(EXIT.done)
      })
  }
  process.on('SIGINT', leave)
  process.on('SIGTERM', leave)
}
