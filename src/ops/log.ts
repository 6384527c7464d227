import { type DestinationStream, type Logger, pino } from 'pino'
import { PinoPretty } from 'pino-pretty'

/** The second net: secrets are types that cannot print themselves. `*.x` does not cover a top-level `x`, so both are named. */
const REDACTED = ['authorization', 'x-api-key', 'api_key', 'apiKey', 'cookie', 'password', 'secret', 'token', 'prompt', 'value'].flatMap(
  (name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`],
)

/** Operations, never requests: those are the ledger's. Pretty for a person at a terminal, JSON lines for everything else. */
export function createLog(level: string, destination: NodeJS.WriteStream): Logger {
  const stream: DestinationStream = destination.isTTY
    ? PinoPretty({ destination, colorize: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss', sync: true })
    : destination
  return pino({ level, redact: { paths: REDACTED, censor: '[secret]' }, base: { name: 'portcullis' } }, stream)
}
