import type { Command } from 'commander'
import type { KeyView } from '../contract/index.ts'
import { disableKey, enableKey, importKeys, keyFileAt } from './key-actions.ts'
import { changed, type Frame, ID, json, jsonOption, printer } from './key-frame.ts'
import { say } from './key-io.ts'
import { EXIT } from './terminal.ts'

export function addDisable(key: Command, { run, io }: Frame): void {
  key
    .command('disable')
    .description('stop a key at once; what it has running may finish')
    .argument('<id>', ID)
    .option('--now', 'cut what it has running as well', false)
    .addOption(jsonOption())
    .action((id: string, options: { now: boolean; json?: boolean }) =>
      run(async (client) => {
        const view = await disableKey(client, id, options.now)
        if (options.json) json(io, client, view)
        else say(io, `disabled ${view.id} (${view.user})${options.now ? '; its running requests are cut' : ''}`)
        changed(client, io)
        return EXIT.done
      }),
    )
}

export function addEnable(key: Command, { run, io }: Frame): void {
  key
    .command('enable')
    .description('let a disabled key in again')
    .argument('<id>', ID)
    .addOption(jsonOption())
    .action((id: string, options: { json?: boolean }) =>
      run(async (client) => {
        const view = await enableKey(client, id)
        if (options.json) json(io, client, view)
        else say(io, `enabled ${view.id} (${view.user})${STAYS_SHUT[view.state]}`)
        changed(client, io)
        return EXIT.done
      }),
    )
}

const STAYS_SHUT: Readonly<Record<KeyView['state'], string>> = {
  active: '',
  expired: ', but it has expired and stays shut',
  disabled: ', but its user is disabled, and it stays shut until that is over',
}

export function addImport(key: Command, { run, io }: Frame): void {
  key
    .command('import')
    .description('take over the keys of an old key file (JSON); the file is only read')
    .argument('<file>', 'the old key file, mode 0600')
    .option('--rights-from-service', "each entry's service as its rights; without it they get all", false)
    .addOption(jsonOption())
    .action(async (path: string, options: { rightsFromService: boolean; json?: boolean }) => {
      const file = keyFileAt(path)
      await run(async (client) => {
        const report = await importKeys(client, file, options.rightsFromService)
        if (options.json) json(io, client, report)
        else say(io, (await printer()).importText(report))
        changed(client, io)
        return EXIT.done
      })
    })
}
