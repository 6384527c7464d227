import { Command, InvalidArgumentError, Option } from 'commander'
import { SUMMARY_BY } from '../contract/index.ts'
import type { AdminClient } from './key-client.ts'
import { wholeNumber } from './key-flags.ts'
import { changed, type Frame, frameOf, json, jsonOption } from './key-frame.ts'
import { type Io, remark, say, terminal, writer } from './key-io.ts'
import { writeJsonList } from './key-list.ts'
import { EXIT } from './terminal.ts'
import { type RequestFlags, requestPages, type SummaryFlags, showRequest, skipGap, summaryPages, usageSummary } from './usage-actions.ts'

/** Tables and colours take a while to load, which programs need not wait for. */
const printer = () => import('./usage-print.ts')

/** `portcullis usage …`. `open` reaches the running gateway, or the store itself when none runs. */
export function usageCommand(open: () => Promise<AdminClient>, io: Io = terminal): Command {
  const frame = frameOf(open, io)
  const usage = new Command('usage').description('what was used, and what it cost')
  // As the whole program has it; here for whoever runs this command alone.
  usage.enablePositionalOptions()
  addSummary(usage, frame)
  addRequests(usage, frame)
  addShow(usage, frame)
  addSkip(usage, frame)
  return usage
}

export async function usageProgram(): Promise<Command> {
  const { openAdmin } = await import('./house-client.ts')
  return usageCommand(() => openAdmin('usage'))
}

interface Form {
  readonly json?: boolean
  readonly csv?: boolean
}

const csvOption = () => new Option('--csv', 'for a spreadsheet').conflicts('json')

function addSummary(usage: Command, { run, io }: Frame): void {
  usage
    .addOption(new Option('--by <what>', 'what is summed').choices(SUMMARY_BY).default('day'))
    .option('--from <day>', 'the first day (UTC) that counts (default: 29 days before the last)', day)
    .option('--to <day>', 'the last day that counts (default: today)', day)
    .addOption(csvOption())
    .addOption(jsonOption())
    .action((flags: SummaryFlags & Form) =>
      run(async (client) => {
        if (flags.csv) await summaryCsv(client, io, flags)
        else await showSummary(client, io, flags)
        return EXIT.done
      }),
    )
}

async function showSummary(client: AdminClient, io: Io, flags: SummaryFlags & Form): Promise<void> {
  const answer = await usageSummary(client, flags)
  if (flags.json) json(io, client, answer)
  else say(io, (await printer()).summaryText(answer))
  if (answer.more > 0) remark(io, `${answer.more} more rows are not shown, those of the least cost; --csv has all`)
}

/** All of it, however much that is: sums over a part would be wrong. */
async function summaryCsv(client: AdminClient, io: Io, flags: SummaryFlags): Promise<void> {
  const { summaryCsvHead, summaryCsvRows } = await printer()
  const write = writer(io)
  await write(summaryCsvHead)
  for await (const page of summaryPages(client, flags)) if (!(await write(summaryCsvRows(page)))) return
}

/** A screen or two; who wants all of a log of months says so, or takes it as CSV. */
const TABLE_REQUESTS = 50

function addRequests(usage: Command, { run, io }: Frame): void {
  usage
    .command('requests')
    .description('the request log, newest first')
    .option('--user <user>', 'those of one user: the name or the id')
    .option('--key <id>', 'those of one key: the whole id')
    .option('--model <name>', 'those of one model')
    .option('--limit <n>', `how many at most (default: ${TABLE_REQUESTS}; with --csv or --json all)`, wholeNumber(1, 999_999_999))
    .addOption(csvOption())
    .addOption(jsonOption())
    .action(({ json: asJson, csv, ...flags }: RequestFlags & Form) =>
      run(async (client) => {
        if (asJson) await writeJsonList(io, 'requests', requestPages(client, flags), () => ({ store: client.store }))
        else await (csv ? listCsv : listTable)(client, io, flags)
        return EXIT.done
      }),
    )
}

async function listTable(client: AdminClient, io: Io, flags: RequestFlags): Promise<void> {
  const { RequestTable } = await printer()
  const table = new RequestTable()
  const write = writer(io)
  const { limit = TABLE_REQUESTS } = flags
  let shown = 0
  // One more than is shown tells whether there are more.
  for await (const page of requestPages(client, { ...flags, limit: limit + 1 })) {
    const requests = page.slice(0, limit - shown)
    if (requests.length > 0 && !(await write(`${table.page(requests)}\n`))) return
    shown += page.length
  }
  if (shown === 0) await write('No such requests.\n')
  if (shown > limit && flags.limit === undefined) remark(io, `the newest ${limit}; --limit shows more, and --csv and --json all`)
}

async function listCsv(client: AdminClient, io: Io, flags: RequestFlags): Promise<void> {
  const { requestsCsvHead, requestsCsv } = await printer()
  const write = writer(io)
  await write(requestsCsvHead)
  for await (const requests of requestPages(client, flags)) if (!(await write(requestsCsv(requests)))) return
}

function addShow(usage: Command, { run, io }: Frame): void {
  usage
    .command('show')
    .description('one request, with its prompt and answer where they were kept; the ledger says who has read them')
    .argument('<request>', 'its id, as the answer had it in x-request-id')
    .addOption(jsonOption())
    .action((id: string, options: Form) =>
      run(async (client) => {
        const request = await showRequest(client, id)
        if (options.json) json(io, client, request)
        else say(io, (await printer()).requestText(request))
        return EXIT.done
      }),
    )
}

function addSkip(usage: Command, { run, io }: Frame): void {
  usage
    .command('skip')
    .description('where the ledger was cut or exchanged: leave out what cannot be read, and count from its present end')
    .addOption(jsonOption())
    .action((options: Form) =>
      run(async (client) => {
        const skipped = await skipGap(client)
        if (options.json) json(io, client, skipped)
        else say(io, `counting goes on after line ${skipped.to_seq}; the accounts stood at line ${skipped.from_seq ?? 'none'}`)
        changed(client, io)
        return EXIT.done
      }),
    )
}

function day(text: string): string {
  const ms = Date.parse(`${text}T00:00:00Z`)
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || !Number.isFinite(ms) || new Date(ms).toISOString().slice(0, 10) !== text)
    throw new InvalidArgumentError('want a day such as 2026-11-21.')
  return text
}
