import { keyPages, type ListOptions } from './key-actions.ts'
import type { AdminClient } from './key-client.ts'
import { type Io, writer } from './key-io.ts'

export type ListFlags = ListOptions

/** A screen or two; who has more keys and wants them all says so. */
const TABLE_KEYS = 100

export async function listTable(client: AdminClient, io: Io, flags: ListFlags): Promise<void> {
  const { KeyTable, foot } = await import('./key-table.ts')
  const table = new KeyTable(io.clock.nowMs())
  const write = writer(io)
  let [shown, total] = [0, 0]
  for await (const page of keyPages(client, { limit: TABLE_KEYS, ...flags })) {
    shown += page.keys.length
    total = page.total ?? total
    if (page.keys.length === 0 && page.total !== 0) continue
    if (!(await write(`${table.page(page)}\n`))) return
  }
  if (shown < total) await write(foot(shown, total))
}

export async function listJson(client: AdminClient, io: Io, flags: ListFlags): Promise<void> {
  let total = 0
  async function* items() {
    for await (const page of keyPages(client, flags)) {
      total = page.total ?? total
      yield page.keys
    }
  }
  await writeJsonList(io, 'keys', items(), () => ({ total, store: client.store }))
}

/** One JSON value, as `JSON.stringify` would indent it, of which no more than a page is held at a time; `rest` stands behind the list. */
export async function writeJsonList(io: Io, name: string, pages: AsyncIterable<readonly object[]>, rest: () => object): Promise<void> {
  const write = writer(io)
  let before = `{\n  "${name}": [`
  for await (const page of pages) {
    let text = ''
    for (const item of page) {
      text += `${before}\n    ${JSON.stringify(item, null, 2).replaceAll('\n', '\n    ')}`
      before = ','
    }
    if (!(await write(text))) return
  }
  const end = before === ',' ? '\n  ]' : `${before}]`
  await write(`${end},${JSON.stringify(rest(), null, 2).slice(1)}\n`)
}
