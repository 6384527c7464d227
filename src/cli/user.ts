import { Command } from 'commander'
import type { AdminClient } from './key-client.ts'
import { frameOf } from './key-frame.ts'
import { type Io, terminal } from './key-io.ts'
import { addAdd, addCredit, addDelete, addDisable, addEdit, addEnable } from './user-change.ts'
import { addCredits, addList, addShow } from './user-look.ts'

const COMMANDS = [addAdd, addList, addShow, addEdit, addCredit, addCredits, addDisable, addEnable, addDelete]

/** `portcullis user …`. `open` reaches the running gateway, or the store itself when none runs. */
export function userCommand(open: () => Promise<AdminClient>, io: Io = terminal): Command {
  const user = new Command('user').description('add, list, edit, credit, disable and delete users')
  const frame = frameOf(open, io)
  for (const add of COMMANDS) add(user, frame)
  return user
}

export async function userProgram(): Promise<Command> {
  const { openAdmin } = await import('./house-client.ts')
  return userCommand(() => openAdmin('user'))
}
