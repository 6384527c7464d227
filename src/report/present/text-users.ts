import type { UserRow } from '../document.ts'
import { cellText } from './table.ts'
import type { Page } from './text-page.ts'
import { atLeast, bytes, count, moment, units } from './words.ts'

const SHORT_MAX = 10
const NAMES_MAX = 8

/** One row for each user, and unless it is only a part of a larger report, what each of them did. */
export function writeUsers(page: Page, users: readonly UserRow[], shortly: boolean): void {
  page.table(
    `Users (${count(users.length)})`,
    [
      { title: 'user' },
      { title: 'requests', right: true },
      { title: 'failed', right: true },
      { title: 'refused', right: true },
      { title: 'denied', right: true },
      { title: 'addresses', right: true },
      { title: 'first' },
      { title: 'last' },
    ],
    (shortly ? users.slice(0, SHORT_MAX) : users).map((u) => [
      u.user,
      count(u.requests),
      count(u.failed),
      count(u.refused),
      count(u.denied),
      atLeast(u.addresses.distinct, u.addresses.exact),
      moment(u.first),
      moment(u.last),
    ]),
  )
  if (!shortly) for (const user of users) writeUser(page, user)
}

function writeUser(page: Page, u: UserRow): void {
  page.heading(cellText(u.user))
  const field = (name: string, text: string): void => {
    if (text !== '') page.line(`  ${page.colours.dim(name.padEnd(10))} ${cellText(text, 400)}`)
  }
  const named = (list: readonly { name: string; count: number }[]): string =>
    list
      .slice(0, NAMES_MAX)
      .map(({ name, count: n }) => `${name} (${count(n)})`)
      .join(', ') + (list.length > NAMES_MAX ? ', …' : '')
  field('seen', `${moment(u.first)} – ${moment(u.last)} UTC`)
  field('services', named(u.services))
  field('endpoints', named(u.endpoints))
  field('addresses', `${atLeast(u.addresses.distinct, u.addresses.exact)}: ${named(u.addresses.top)}`)
  field('keys', u.keys.join(', '))
  field('units', units(u.units))
  field('bytes', `${bytes(u.bytes_in)} in, ${bytes(u.bytes_out)} out`)
}
