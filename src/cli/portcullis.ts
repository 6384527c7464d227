#!/usr/bin/env -S MALLOC_TRIM_THRESHOLD_=1048576 node
import { setFlagsFromString } from 'node:v8'
import { programFor } from './program.ts'
import { EXIT, say } from './terminal.ts'

// The variable in the first line: glibc, after argon2 has given back its 19 MiB, would keep as much as twice that for the next one: 42 MiB of resident
// memory for nothing. It is read before any program runs, so only whoever starts one can set it; started by `node` this one merely keeps more.

// V8 learns that objects of a request outlive a collection, because some are always in flight, and from then on makes them where only a full
// collection looks: 5.9 KB of each request. Without that it is 1.1 KB, and a small answer costs a fifth less CPU time (bench/, Node 20).
setFlagsFromString('--no-allocation-site-pretenuring')

interface Failure {
  readonly code?: string
  readonly exitCode?: number
}

function fail(thrown: unknown): void {
  const { code = '', exitCode } = typeof thrown === 'object' && thrown !== null ? (thrown as Failure) : {} // fields are checked below
  if (code.startsWith('commander.')) {
    process.exitCode = exitCode === 0 ? EXIT.done : EXIT.usage // commander has printed it
    return
  }
  say.error(say.reason(thrown))
  process.exitCode = typeof exitCode === 'number' ? exitCode : EXIT.unavailable
}

async function main(argv: readonly string[]): Promise<void> {
  const program = await programFor(argv)
  await program.parseAsync([...argv], { from: 'user' })
}

await main(process.argv.slice(2)).catch(fail)
