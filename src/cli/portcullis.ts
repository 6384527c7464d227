#!/usr/bin/env node
import { Command } from 'commander'
import { EXIT, say } from './terminal.ts'

/** Each command is loaded when it is asked for: `portcullis key list` need not wait for the gateway's own parts. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serveCommand(),
  demo: async () => (await import('./demo.ts')).demoCommand(),
  key: async () => (await import('./house-client.ts')).keyProgram(),
  audit: async () => (await import('./paths.ts')).auditProgram(),
  report: async () => (await import('./paths.ts')).reportProgram(),
  config: async () => (await import('./config.ts')).configCommand(),
  status: async () => (await import('./status.ts')).statusCommand(),
}

const SUMMARIES: Readonly<Record<string, string>> = {
  serve: 'run the gateway',
  demo: 'run it with stand-in backends, to see what it does',
  key: 'create, list, disable, rotate and validate keys',
  audit: 'verify, follow and export the ledger',
  report: 'what happened, and what looks like an attack',
  config: 'check the configuration',
  status: 'what the running gateway and its backends say',
}

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('portcullis').description('One gate in front of the AI you host yourself').exitOverride()
  program.configureOutput({ writeErr: (text) => say.error(text.trimEnd()) })
  const asked = argv.find((word) => Object.hasOwn(COMMANDS, word))
  for (const [name, load] of Object.entries(COMMANDS)) {
    if (name === asked) program.addCommand(strict(await load()))
    else program.command(name).description(SUMMARIES[name] ?? '')
  }
  await program.parseAsync([...argv], { from: 'user' })
}

/** Usage errors end with 2 for every command below, too. */
function strict(command: Command): Command {
  command.exitOverride()
  for (const child of command.commands) strict(child)
  return command
}

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

await main(process.argv.slice(2)).catch(fail)
