import { Command } from 'commander'
import { addDisable, addEnable, addImport } from './key-change.ts'
import type { AdminClient } from './key-client.ts'
import { addEdit } from './key-edit.ts'
import { type Frame, frameOf } from './key-frame.ts'
import { type Io, terminal } from './key-io.ts'
import { addList, addShow, addValidate } from './key-look.ts'
import { addGenerate, addRotate } from './key-new.ts'
import { EXIT, Exit } from './terminal.ts'

export type { AdminClient } from './key-client.ts'

const COMMANDS = [addGenerate, addList, addShow, addEdit, addDisable, addEnable, addRotate, addValidate, addImport]

/** `portcullis key …`, and a menu when it is given nothing. `open` reaches the running gateway, or the store itself when none runs. */
export function keyCommand(open: () => Promise<AdminClient>, io: Io = terminal): Command {
  const key = new Command('key').description('create, list, edit, disable, rotate and validate keys')
  const frame = frameOf(open, io)
  key.action(() => menu(key, frame))
  for (const add of COMMANDS) add(key, frame)
  return key
}

async function menu(key: Command, { io, run }: Frame): Promise<void> {
  // A script that forgot its arguments must not wait for an answer that never comes.
  if (!io.input.isTTY || !io.output.isTTY) throw new Exit(EXIT.usage, key.helpInformation())
  // Loaded only here: a command in a script must not pay for prompts.
  const { keyMenu } = await import('./key-menu.ts')
  await run((client) => keyMenu(client, io))
}
