import type { Command } from 'commander'
import type { AdminClient } from './key-client.ts'
import { wholeNumber } from './key-flags.ts'
import { type Frame, json, jsonOption } from './key-frame.ts'
import { type Io, remark, say, writer } from './key-io.ts'
import { writeJsonList } from './key-list.ts'
import { EXIT } from './terminal.ts'
import { creditPages, showUser, type UserListOptions, userPages } from './user-actions.ts'
import { USER, userPrinter } from './user-frame.ts'

export function addList(user: Command, { run, io }: Frame): void {
  user
    .command('list')
    .description('active users, by name')
    .option('--all', 'disabled users too', false)
    .option('--limit <n>', 'how many at most (default: 100; with --json all)', wholeNumber(1, 999_999_999))
    .addOption(jsonOption())
    .action(({ json: asJson = false, ...flags }: UserListOptions & { json?: boolean }) =>
      run(async (client) => {
        await (asJson ? listJson : listTable)(client, io, flags)
        return EXIT.done
      }),
    )
}

export function addShow(user: Command, { run, io }: Frame): void {
  user
    .command('show')
    .description('all there is to know about one user')
    .argument('<user>', USER)
    .addOption(jsonOption())
    .action((name: string, options: { json?: boolean }) =>
      run(async (client) => {
        const view = await showUser(client, name)
        if (options.json) json(io, client, view)
        else say(io, (await userPrinter()).userText(view, io.clock.nowMs()))
        return EXIT.done
      }),
    )
}

export function addCredits(user: Command, { run, io }: Frame): void {
  user
    .command('credits')
    .description('what was credited to a user or taken away, newest first')
    .argument('<user>', USER)
    .option('--limit <n>', 'how many at most (default: 100; with --json all)', wholeNumber(1, 999_999_999))
    .addOption(jsonOption())
    .action((name: string, { limit, json: asJson }: { limit?: number; json?: boolean }) =>
      run(async (client) => {
        if (asJson) await writeJsonList(io, 'credits', creditPages(client, name, limit), () => ({ store: client.store }))
        else await creditTable(client, io, name, limit)
        return EXIT.done
      }),
    )
}

async function creditTable(client: AdminClient, io: Io, name: string, limit = TABLE_ROWS): Promise<void> {
  const { CreditTable, NO_CREDITS } = await userPrinter()
  const table = new CreditTable()
  const write = writer(io)
  let shown = 0
  // One more than is shown tells whether there are more.
  for await (const page of creditPages(client, name, limit + 1)) {
    const credits = page.slice(0, limit - shown)
    if (credits.length > 0 && !(await write(`${table.page(credits)}\n`))) return
    shown += page.length
  }
  if (shown === 0) await write(`${NO_CREDITS}\n`)
  if (shown > limit) remark(io, `the newest ${limit}; --limit shows more`)
}

/** A screen or two; who has more of them and wants them all says so. */
const TABLE_ROWS = 100

async function listTable(client: AdminClient, io: Io, flags: UserListOptions): Promise<void> {
  const { UserTable, NO_USERS, ONLY_DISABLED, moreUsers } = await userPrinter()
  const table = new UserTable()
  const write = writer(io)
  let shown = 0
  let next: string | null = null
  for await (const page of userPages(client, { limit: TABLE_ROWS, ...flags })) {
    next = page.next
    if (page.users.length === 0) continue
    shown += page.users.length
    if (!(await write(`${table.page(page.users)}\n`))) return
  }
  if (shown === 0) await write(`${!flags.all && (await hasAny(client)) ? ONLY_DISABLED : NO_USERS}\n`)
  if (next !== null) await write(moreUsers(shown))
}

async function hasAny(client: AdminClient): Promise<boolean> {
  for await (const { users } of userPages(client, { all: true, limit: 1 })) return users.length > 0
  return false
}

async function listJson(client: AdminClient, io: Io, flags: UserListOptions): Promise<void> {
  async function* items() {
    for await (const { users } of userPages(client, flags)) yield users
  }
  await writeJsonList(io, 'users', items(), () => ({ store: client.store }))
}
