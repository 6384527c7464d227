import { createRequire } from 'node:module'
import { type DestinationStream, type Logger, pino } from 'pino'

const load = createRequire(import.meta.url)

/** The second net: secrets are types that cannot print themselves. `*.x` does not cover a top-level `x`, so both are named. */
const REDACTED = ['authorization', 'x-api-key', 'api_key', 'apiKey', 'cookie', 'password', 'secret', 'token', 'prompt', 'value'].flatMap(
  (name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`],
)

/** Operations, never requests: those are the ledger's. Pretty for a person at a terminal, JSON lines for everything else. */
export function createLog(level: string, destination: NodeJS.WriteStream): Logger {
  const stream = destination.isTTY ? prettyOn(destination) : destination
  return pino({ level, redact: { paths: REDACTED, censor: '[secret]' }, base: { name: 'portcullis' } }, stream)
}

/** Loaded only where a person looks: it is 29 files, which a command in a script would wait for. */
function prettyOn(destination: NodeJS.WriteStream): DestinationStream {
  const { PinoPretty } = load('pino-pretty') as typeof import('pino-pretty') // what it exports
  return PinoPretty({ destination, colorize: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss', sync: true })
}
