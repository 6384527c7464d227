import type { Readable, Writable } from 'node:stream'
import { type Clock, LIMITS, systemClock } from '../kernel/index.ts'

/** Where a command reads and writes: the terminal, or a test. */
export interface Io {
  readonly input: Readable & { readonly isTTY?: boolean }
  readonly output: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly errors: Writable
  readonly clock: Clock
  exit(status: number): void
}

export const terminal: Io = {
  input: process.stdin,
  output: process.stdout,
  errors: process.stderr,
  clock: systemClock,
  exit: (status) => {
    // Not process.exit: what is still on its way to a pipe would be lost.
    process.exitCode = status
  },
}

export const say = (io: Io, text: string) => void io.output.write(`${text}\n`)
/** Writes as fast as the reader reads; false once nobody reads any longer, as in `key list | head`, which is an end and no fault. */
export function writer({ output }: Io): (text: string) => Promise<boolean> {
  let open = true
  output.on('error', () => {
    open = false
  })
  return (text) =>
    new Promise((resolve) => {
      if (open) output.write(text, (fault) => resolve(!fault && open))
      else resolve(false)
    })
}

/** For people beside the answer: where an answer is piped onward, this still reaches the terminal. */
export const remark = (io: Io, text: string) => void io.errors.write(`${text}\n`)

/** What was piped in, without the newline at its end; bounded, because nobody pipes a key of megabytes on purpose. */
export async function readPiped(io: Io): Promise<string> {
  let text = ''
  for await (const chunk of io.input) {
    text += String(chunk)
    if (text.length > LIMITS.secretFileBytesMax) break
  }
  return text.trim()
}
