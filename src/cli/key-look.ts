import type { Command } from 'commander'
import { showKey, validateKey } from './key-actions.ts'
import { wholeNumber } from './key-flags.ts'
import { type Frame, ID, json, jsonOption, printer } from './key-frame.ts'
import { type Io, readPiped, say } from './key-io.ts'
import { type ListFlags, listJson, listTable } from './key-list.ts'
import { EXIT, Exit } from './terminal.ts'

export function addList(key: Command, { run, io }: Frame): void {
  key
    .command('list')
    .description('active keys, newest first')
    .option('--all', 'disabled and expired keys too', false)
    .option('-u, --user <name>', 'only this user')
    .option('--limit <n>', 'how many at most (default: 100; with --json all)', wholeNumber(1, 999_999_999))
    .addOption(jsonOption())
    .action(({ json: asJson = false, ...flags }: ListFlags & { json?: boolean }) =>
      run(async (client) => {
        await (asJson ? listJson : listTable)(client, io, flags)
        return EXIT.done
      }),
    )
}

export function addShow(key: Command, { run, io }: Frame): void {
  key
    .command('show')
    .description('all there is to know about one key')
    .argument('<id>', ID)
    .addOption(jsonOption())
    .action((id: string, options: { json?: boolean }) =>
      run(async (client) => {
        const view = await showKey(client, id)
        if (options.json) json(io, client, view)
        else say(io, (await printer()).keyText(view, io.clock.nowMs()))
        return EXIT.done
      }),
    )
}

export function addValidate(key: Command, { run, io }: Frame): void {
  key
    .command('validate')
    .description('whether a key would be let in; exit status 1 when it would not')
    .argument('[key]', 'the key, or a key id for its state alone; - or nothing reads it from stdin, a terminal is asked')
    .addOption(jsonOption())
    .action(async (given: string | undefined, options: { json?: boolean }) => {
      const text = await keyToValidate(given, io)
      if (text === '') throw new Exit(EXIT.usage, 'no key was given')
      await run(async (client) => {
        const verdict = await validateKey(client, text)
        if (options.json) json(io, client, verdict)
        else say(io, (await printer()).verdictText(verdict))
        return verdict.valid ? EXIT.done : EXIT.negative
      })
    })
}

/** A terminal is asked without an echo, because an argument stays in the shell's history and in the process list. */
async function keyToValidate(given: string | undefined, io: Io): Promise<string> {
  if (given !== undefined && given !== '-') return given.trim()
  if (!io.input.isTTY) return readPiped(io)
  const { askForKey } = await import('./key-menu.ts')
  return askForKey(io)
}
