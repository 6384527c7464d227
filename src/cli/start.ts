import type { Config } from '../config.ts'
import { DataDirTaken } from '../storage/index.ts'
import { EXIT, Exit, say } from './terminal.ts'

type Address = Pick<Config, 'host' | 'port'>

/** What keeps a server from listening, and what to do about it. */
const NOT_LISTENING: Readonly<Record<string, (address: Address) => string>> = {
  EADDRINUSE: ({ host, port }) =>
    `Port ${port} on ${host} is taken by another program. End that one, or choose another port: PORT=${port < 65_535 ? port + 1 : 8080} npm start`,
  EACCES: ({ port }) => `This user may not open port ${port}. Choose one above 1023, such as PORT=8080, and let Caddy have the low ones.`,
  EADDRNOTAVAIL: ({ host }) =>
    `${host} is no address of this machine. HOST=127.0.0.1 listens for this machine alone, HOST=0.0.0.0 for all.`,
  ENOTFOUND: ({ host }) => `There is no host named ${host}. HOST wants an address of this machine, such as 127.0.0.1.`,
}

/** A start that failed, as an end in plain words. */
export function explainStart(thrown: unknown, config: Config): Exit {
  if (thrown instanceof DataDirTaken) {
    return new Exit(
      EXIT.unavailable,
      `${say.reason(thrown)}. One process owns a data directory: end that one, or give this one a DATA_DIR of its own.`,
    )
  }
  const { code = '', syscall = '' } = thrown instanceof Error ? (thrown as NodeJS.ErrnoException) : {} // both are looked up in words of ours
  const sentence = syscall === 'listen' || syscall === 'getaddrinfo' ? NOT_LISTENING[code]?.(config) : undefined
  if (sentence !== undefined) return new Exit(EXIT.unavailable, sentence)
  const places = `  data    ${config.dataDir}\n  ledger  ${config.audit.file}`
  return new Exit(EXIT.unavailable, `The gateway cannot start: ${say.reason(thrown)}\n${places}`)
}
