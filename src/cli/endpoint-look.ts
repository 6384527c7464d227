import type { Command } from 'commander'
import { endpointList, showEndpoint } from './endpoint-actions.ts'
import { ENDPOINT } from './endpoint-change.ts'
import { wholeNumber } from './key-flags.ts'
import { type Frame, json, jsonOption } from './key-frame.ts'
import { say } from './key-io.ts'
import { listJson, listTable, type PagedFlags } from './paged-list.ts'
import { EXIT } from './terminal.ts'

/** Tables and colours take a while to load, which programs need not wait for. */
const printer = () => import('./endpoint-print.ts')

export function addList(endpoint: Command, { run, io }: Frame): void {
  endpoint
    .command('list')
    .description("active endpoints, by name; the gate's own services stand among them as builtin:…")
    .option('--all', 'disabled endpoints too', false)
    .option('--limit <n>', 'how many at most (default: 100; with --json all)', wholeNumber(1, 999_999_999))
    .addOption(jsonOption())
    .action(({ json: asJson = false, ...flags }: PagedFlags & { json?: boolean }) =>
      run(async (client) => {
        const list = endpointList(client)
        if (asJson) await listJson(list, client, io, flags)
        else await listTable(list, io, flags, (await printer()).endpointTable())
        return EXIT.done
      }),
    )
}

export function addShow(endpoint: Command, { run, io }: Frame): void {
  endpoint
    .command('show')
    .description('all there is to know about one endpoint, but its key')
    .argument('<endpoint>', ENDPOINT)
    .addOption(jsonOption())
    .action((which: string, options: { json?: boolean }) =>
      run(async (client) => {
        const view = await showEndpoint(client, which)
        if (options.json) json(io, client, view)
        else say(io, (await printer()).endpointText(view, io.clock.nowMs()))
        return EXIT.done
      }),
    )
}
