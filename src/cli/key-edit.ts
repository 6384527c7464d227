import type { Command } from 'commander'
import type { EditKeyBody } from '../contract/index.ts'
import { editKey } from './key-actions.ts'
import {
  type LimitFlags,
  limitFields,
  nullFor,
  type OrNone,
  orNone,
  type ReachFlags,
  reachFields,
  rightWords,
  wholeNumber,
  withLimits,
  withReach,
} from './key-flags.ts'
import { changed, type Frame, ID, json, jsonOption, printer, somethingSaid } from './key-frame.ts'
import { type Io, say } from './key-io.ts'
import { EXIT } from './terminal.ts'

interface EditFlags extends LimitFlags, ReachFlags {
  readonly service?: string[]
  readonly description?: string
  readonly expires?: OrNone<number>
  readonly json?: boolean
}

export function addEdit(key: Command, { run, io }: Frame): void {
  const edit = key
    .command('edit')
    .description('change what a key may do; its secret stays as it is')
    .argument('<id>', ID)
    .option('-s, --service <rights>', 'what it may use instead', rightWords)
    .option('-d, --description <text>', 'what it is for')
    .option('-e, --expires <days>', 'days from now until it expires, or none', orNone(wholeNumber(1, 36_500)))
  withReach(withLimits(edit))
    .addOption(jsonOption())
    .action((id: string, flags: EditFlags) => {
      const body = somethingSaid(editBody(io, flags))
      return run(async (client) => {
        const view = await editKey(client, id, body)
        if (flags.json) json(io, client, view)
        else say(io, `edited ${view.id}\n${(await printer()).keyText(view, io.clock.nowMs())}`)
        changed(client, io)
        return EXIT.done
      })
    })
}

const DAY_MS = 86_400_000

function editBody({ clock }: Io, { service, description, expires, ...flags }: EditFlags): EditKeyBody {
  const expiresAt = typeof expires === 'number' ? new Date(clock.nowMs() + expires * DAY_MS).toISOString() : nullFor(expires)
  return { rights: service, description, expires_at: expiresAt, ...limitFields(flags), ...reachFields(flags) }
}
