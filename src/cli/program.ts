import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { say } from './terminal.ts'

interface Row {
  readonly summary: string
  /** Each command is loaded when it is asked for: `portcullis key list` need not wait for the gateway's own parts. */
  readonly load: () => Promise<Command>
}

const COMMANDS: Readonly<Record<string, Row>> = {
  serve: { summary: 'run the gateway', load: async () => (await import('./serve.ts')).serveCommand() },
  demo: { summary: 'run it with stand-in backends, to see what it does', load: async () => (await import('./demo.ts')).demoCommand() },
  key: {
    summary: 'create, list, edit, disable, rotate and validate keys',
    load: async () => (await import('./house-client.ts')).keyProgram(),
  },
  user: { summary: 'add, list, edit, credit, disable and delete users', load: async () => (await import('./user.ts')).userProgram() },
  endpoint: {
    summary: 'add, list, edit, disable and delete servers and providers of models',
    load: async () => (await import('./endpoint.ts')).endpointProgram(),
  },
  model: { summary: 'add, list, edit, disable and delete models', load: async () => (await import('./model.ts')).modelProgram() },
  usage: { summary: 'what was used, and what it cost', load: async () => (await import('./usage.ts')).usageProgram() },
  audit: { summary: 'verify, follow and export the ledger', load: async () => (await import('./paths.ts')).auditProgram() },
  report: {
    summary: 'what happened, and what looks like an attack',
    load: async () => (await import('./paths.ts')).reportProgram(),
  },
  config: { summary: 'check the configuration', load: async () => (await import('./config.ts')).configCommand() },
  status: { summary: 'what the running gateway and its backends say', load: async () => (await import('./status.ts')).statusCommand() },
}

/** The `portcullis` command with those of its parts that `wanted` names; of the others only name and summary. */
export async function programWith(wanted: (name: string) => boolean): Promise<Command> {
  const program = new Command('portcullis')
    .description('One gate in front of the AI you host yourself')
    .version(version(), '-V, --version', 'the version')
    // Or an option that two levels have alike, such as --json of `usage` and of what stands below it, would be taken by the upper one.
    .enablePositionalOptions()
  program.configureOutput({ writeErr: (text) => say.error(text.trimEnd()) })
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    if (wanted(name)) program.addCommand(await load())
    else program.command(name).description(summary)
  }
  return strict(program)
}

export const programFor = (argv: readonly string[]): Promise<Command> => {
  const asked = argv.find((word) => Object.hasOwn(COMMANDS, word))
  return programWith((name) => name === asked)
}

/** Usage errors are thrown, for every command below too, and end with the status that scripts expect. */
function strict(command: Command): Command {
  command.exitOverride()
  for (const child of command.commands) strict(child)
  return command
}

function version(): string {
  const { version: said } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: unknown } // our own file
  return String(said)
}
