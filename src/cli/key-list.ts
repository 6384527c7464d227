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

/** One JSON value, as `JSON.stringify` would indent it, of which no more than a page is held at a time. */
export async function listJson(client: AdminClient, io: Io, flags: ListFlags): Promise<void> {
  const write = writer(io)
  let [before, total] = ['{\n  "keys": [', 0]
  for await (const page of keyPages(client, flags)) {
    total = page.total ?? total
    let text = ''
    for (const key of page.keys) {
      text += `${before}\n    ${JSON.stringify(key, null, 2).replaceAll('\n', '\n    ')}`
      before = ','
    }
    if (!(await write(text))) return
  }
  const end = before === ',' ? '\n  ]' : `${before}]`
  await write(`${end},\n  "total": ${total},\n  "store": ${JSON.stringify(client.store)}\n}\n`)
}
