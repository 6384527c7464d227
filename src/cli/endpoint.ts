import { Command } from 'commander'
import { addAdd, addDelete, addDisable, addEdit, addEnable } from './endpoint-change.ts'
import { addList, addShow } from './endpoint-look.ts'
import type { AdminClient } from './key-client.ts'
import { frameOf } from './key-frame.ts'
import { type Io, terminal } from './key-io.ts'

const COMMANDS = [addAdd, addList, addShow, addEdit, addDisable, addEnable, addDelete]

/** `portcullis endpoint …`. `open` reaches the running gateway, or the store itself when none runs. */
export function endpointCommand(open: () => Promise<AdminClient>, io: Io = terminal): Command {
  const endpoint = new Command('endpoint').description('add, list, edit, disable and delete servers and providers of models')
  const frame = frameOf(open, io)
  for (const add of COMMANDS) add(endpoint, frame)
  return endpoint
}

export async function endpointProgram(): Promise<Command> {
  const { openAdmin } = await import('./house-client.ts')
  return endpointCommand(() => openAdmin('endpoint'))
}
