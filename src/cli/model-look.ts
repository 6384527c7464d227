import type { Command } from 'commander'
import { wholeNumber } from './key-flags.ts'
import { type Frame, json, jsonOption } from './key-frame.ts'
import { say } from './key-io.ts'
import { modelList, showModel } from './model-actions.ts'
import { MODEL } from './model-change.ts'
import { listJson, listTable, type PagedFlags } from './paged-list.ts'
import { EXIT } from './terminal.ts'

/** Tables and colours take a while to load, which programs need not wait for. */
const printer = () => import('./model-print.ts')

export function addList(model: Command, { run, io }: Frame): void {
  model
    .command('list')
    .description('active models, by name; those that appeared by themselves stand among them')
    .option('--all', 'disabled models too', false)
    .option('--limit <n>', 'how many at most (default: 100; with --json all)', wholeNumber(1, 999_999_999))
    .addOption(jsonOption())
    .action(({ json: asJson = false, ...flags }: PagedFlags & { json?: boolean }) =>
      run(async (client) => {
        const list = modelList(client)
        if (asJson) await listJson(list, client, io, flags)
        else await listTable(list, io, flags, (await printer()).modelTable())
        return EXIT.done
      }),
    )
}

export function addShow(model: Command, { run, io }: Frame): void {
  model
    .command('show')
    .description('all there is to know about one model')
    .argument('<model>', MODEL)
    .addOption(jsonOption())
    .action((which: string, options: { json?: boolean }) =>
      run(async (client) => {
        const view = await showModel(client, which)
        if (options.json) json(io, client, view)
        else say(io, (await printer()).modelText(view, io.clock.nowMs()))
        return EXIT.done
      }),
    )
}
