import type { AdminClient } from './key-client.ts'
import { type Io, writer } from './key-io.ts'
import { writeJsonList } from './key-list.ts'

export interface PagedFlags {
  readonly all: boolean
  readonly limit?: number
}

/** Anything that is listed page by page, by name: how its pages are asked for, and how each reads. */
export interface PagedList<Item extends object> {
  readonly name: string
  page(query: URLSearchParams): Promise<{ readonly items: readonly Item[]; readonly next: string | null }>
}

const PAGE_MAX = 1_000
/** A screen or two; who has more and wants them all says so. */
const TABLE_ROWS = 100

/** Page after page, so that neither the gateway nor this process ever holds all of many at once. */
async function* pagesOf<Item extends object>(list: PagedList<Item>, { all, limit = Number.POSITIVE_INFINITY }: PagedFlags) {
  let left = limit
  for (let after: string | null = ''; after !== null && left > 0; ) {
    const query = new URLSearchParams({ all: String(all), limit: String(Math.min(left, PAGE_MAX)) })
    if (after !== '') query.set('after', after)
    const page: Awaited<ReturnType<PagedList<Item>['page']>> = await list.page(query)
    left -= page.items.length
    after = page.next
    yield page
  }
}

export interface TableWords<Item> {
  readonly table: { page(items: readonly Item[]): string }
  readonly none: string
  more(shown: number): string
}

export async function listTable<Item extends object>(
  list: PagedList<Item>,
  io: Io,
  flags: PagedFlags,
  words: TableWords<Item>,
): Promise<void> {
  const write = writer(io)
  let shown = 0
  let next: string | null = null
  for await (const page of pagesOf(list, { limit: TABLE_ROWS, ...flags })) {
    next = page.next
    if (page.items.length === 0) continue
    shown += page.items.length
    if (!(await write(`${words.table.page(page.items)}\n`))) return
  }
  if (shown === 0) await write(`${words.none}\n`)
  if (next !== null) await write(words.more(shown))
}

export async function listJson<Item extends object>(list: PagedList<Item>, client: AdminClient, io: Io, flags: PagedFlags): Promise<void> {
  async function* items() {
    for await (const page of pagesOf(list, flags)) yield page.items
  }
  await writeJsonList(io, list.name, items(), () => ({ store: client.store }))
}
