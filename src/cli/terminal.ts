import { reasonOf, visible } from '../kernel/index.ts'

/** What a command's end means to a script. */
export const EXIT = {
  done: 0,
  /** An invalid key, a broken ledger. */
  negative: 1,
  usage: 2,
  /** Store, ledger or server cannot be reached. */
  unavailable: 3,
} as const

/** An end with its status, for commands that have said all there is to say, or say it with this. */
export class Exit extends Error {
  readonly exitCode: number
  constructor(exitCode: number, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Results go to stdout, everything that is said about them to stderr, so that pipes get only results. */
export const say = {
  out: (text: string): void => void process.stdout.write(`${text}\n`),
  note: (text: string): void => void process.stderr.write(`${text}\n`),
  error: (text: string): void => void process.stderr.write(`${text}\n`),
  reason: (thrown: unknown): string => visible(reasonOf(thrown)).replaceAll('\\u000a', '\n'),
}
