import { Command } from 'commander'
import type { AdminClient } from './key-client.ts'
import { frameOf } from './key-frame.ts'
import { type Io, terminal } from './key-io.ts'
import { addAdd, addDelete, addDisable, addEdit, addEnable } from './model-change.ts'
import { addList, addShow } from './model-look.ts'

const COMMANDS = [addAdd, addList, addShow, addEdit, addDisable, addEnable, addDelete]

/** `portcullis model …`. `open` reaches the running gateway, or the store itself when none runs. */
export function modelCommand(open: () => Promise<AdminClient>, io: Io = terminal): Command {
  const model = new Command('model').description('add, list, edit, disable and delete models')
  const frame = frameOf(open, io)
  for (const add of COMMANDS) add(model, frame)
  return model
}

export async function modelProgram(): Promise<Command> {
  const { openAdmin } = await import('./house-client.ts')
  return modelCommand(() => openAdmin('model'))
}
