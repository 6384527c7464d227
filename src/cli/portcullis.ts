#!/usr/bin/env node
import { programFor } from './program.ts'
import { EXIT, say } from './terminal.ts'

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
