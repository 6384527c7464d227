import type { Command } from 'commander'
import type { EditedUserView, UserView } from '../contract/index.ts'
import { type LimitFlags, limitFields, nullFor, type OrNone, onOff, orNone, signedAmount, withLimits } from './key-flags.ts'
import { change, type Frame, jsonOption, somethingSaid } from './key-frame.ts'
import { addUser, creditUser, deleteUser, editUser } from './user-actions.ts'
import { USER } from './user-frame.ts'

interface UserFlags extends LimitFlags {
  readonly email?: OrNone<string>
  readonly organisation?: OrNone<string>
  readonly json?: boolean
}

const withWords = (command: Command): Command =>
  command
    .option('--email <address>', 'where to reach the user, or none', orNone(String))
    .option('--organisation <name>', 'whom the user belongs to, or none', orNone(String))

const wordFields = ({ email, organisation }: UserFlags) => ({ email: nullFor(email), organisation: nullFor(organisation) })

export function addAdd(user: Command, frame: Frame): void {
  const add = user
    .command('add')
    .description('make a user; the first key for a name makes one as well')
    .argument('<name>', 'letters, digits and . _ @ + -')
    .option('--balance <amount>', 'bill the user, beginning with this balance, such as 12.50', signedAmount)
  withLimits(withWords(add))
    .addOption(jsonOption())
    .action((name: string, { balance, json, ...flags }: UserFlags & { balance?: string }) =>
      change(
        frame,
        json,
        (client) => addUser(client, { name, balance, ...wordFields(flags), ...limitFields(flags) }),
        (made) => `added ${named(made)}`,
      ),
    )
}

export function addEdit(user: Command, frame: Frame): void {
  const edit = user
    .command('edit')
    .description('change a user; all keys of the user see it at once')
    .argument('<user>', USER)
    .option('--name <name>', 'another name; the history stays')
    .option('--billed <on|off>', 'whether what the keys use is taken from a balance; off takes the balance away', onOff)
  withLimits(withWords(edit))
    .addOption(jsonOption())
    .action((who: string, { name, billed, json, ...flags }: UserFlags & { name?: string; billed?: boolean }) => {
      const body = somethingSaid({ name, billed, ...wordFields(flags), ...limitFields(flags) })
      return change(
        frame,
        json,
        (client) => editUser(client, who, body),
        (edited) => `edited ${named(edited)}${takenText(edited)}`,
      )
    })
}

interface StopFlags {
  readonly now: boolean
  readonly json?: boolean
}

export function addDisable(user: Command, frame: Frame): void {
  user
    .command('disable')
    .description('stop all keys of a user at once; what they have running may finish')
    .argument('<user>', USER)
    .option('--now', 'cut what they have running as well', false)
    .addOption(jsonOption())
    .action((who: string, { now, json }: StopFlags) =>
      change(
        frame,
        json,
        (client) => editUser(client, who, { active: false }, now),
        (view) => `disabled ${named(view)} with ${keys(view)}${cut(now)}`,
      ),
    )
}

export function addEnable(user: Command, frame: Frame): void {
  user
    .command('enable')
    .description('let the keys of a disabled user in again, but for those that are disabled themselves')
    .argument('<user>', USER)
    .addOption(jsonOption())
    .action((who: string, { json }: { json?: boolean }) =>
      change(
        frame,
        json,
        (client) => editUser(client, who, { active: true }),
        (view) => `enabled ${named(view)}`,
      ),
    )
}

export function addDelete(user: Command, frame: Frame): void {
  user
    .command('delete')
    .description('disable all keys of a user for good and free the name; the ledger and the accounts keep what was')
    .argument('<user>', USER)
    .option('--now', 'cut what the keys have running as well', false)
    .addOption(jsonOption())
    .action((who: string, { now, json }: StopFlags) =>
      change(
        frame,
        json,
        (client) => deleteUser(client, who, now),
        (view) => `deleted ${named(view)} with ${keys(view)}${cut(now)}`,
      ),
    )
}

export function addCredit(user: Command, frame: Frame): void {
  user
    .command('credit')
    .description('add to the balance of a user, or take from it')
    .argument('<user>', USER)
    .argument('<amount>', 'such as 12.50, or -3 to take away', signedAmount)
    .option('--note <text>', 'what it is for', '')
    .addOption(jsonOption())
    .action((who: string, amount: string, { note, json }: { note: string; json?: boolean }) =>
      change(
        frame,
        json,
        (client) => creditUser(client, who, amount, note),
        (view) => `credited ${named(view)} with ${amount}; the balance is ${view.balance}`,
      ),
    )
}

/** Where an account was closed, what came of it cannot be looked up at the user any more. */
const takenText = ({ taken }: EditedUserView): string => (taken === undefined ? '' : `; ${taken} was in the account, which is closed`)

const named = ({ name, id }: UserView): string => `${name} (${id})`
const keys = (view: UserView): string => `${view.keys} ${view.keys === 1 ? 'key' : 'keys'}`
const cut = (now: boolean): string => (now ? '; their running requests are cut' : '')
