import { type Command, Option } from 'commander'
import type { AdminClient } from './key-client.ts'
import { type Io, remark, say } from './key-io.ts'
import { EXIT, Exit } from './terminal.ts'

/** What every command is given: where it reads and writes, and how it reaches the store. */
export interface Frame {
  readonly io: Io
  /** Reaches the store, does the work, closes, and ends with the status that the work gives. */
  readonly run: (work: (client: AdminClient) => Promise<number>) => Promise<void>
}

export function frameOf(open: () => Promise<AdminClient>, io: Io): Frame {
  const run: Frame['run'] = async (work) => {
    const client = await open()
    try {
      io.exit(await work(client))
    } finally {
      await client.close()
    }
  }
  return { io, run }
}

/** Every command that writes says where. */
export const changed = (client: AdminClient, io: Io) => remark(io, `store: ${client.store}`)

export const json = (io: Io, client: AdminClient, answer: object) => say(io, JSON.stringify({ ...answer, store: client.store }, null, 2))

export const jsonOption = () => new Option('--json', 'the answer as JSON, for programs')

/** A change of one user, endpoint or model: what came of it, for a program or in a sentence, and which store it was made in. */
export const change = <View extends object>(
  { run, io }: Frame,
  asJson: boolean | undefined,
  work: (client: AdminClient) => Promise<View>,
  told: (view: View) => string,
) =>
  run(async (client) => {
    const view = await work(client)
    if (asJson) json(io, client, view)
    else say(io, told(view))
    changed(client, io)
    return EXIT.done
  })

export const ID = 'key id, or the start of it where only one key starts so'

/** Tables and colours take a while to load, which programs need not wait for. */
export const printer = () => import('./key-print.ts')

/** An edit that says nothing is a mistake: somebody forgot what they wanted to change. */
export function somethingSaid<Body extends object>(body: Body): Body {
  if (Object.values(body).every((value) => value === undefined))
    throw new Exit(EXIT.usage, 'Say what to change; --help lists what there is')
  return body
}

/** A command that names a thing, changes it in one way, and has no other options. */
export const plainChange =
  <View extends object>(
    name: string,
    parts: {
      readonly description: string
      readonly argument: readonly [spelled: string, description: string]
      readonly make: (client: AdminClient, which: string) => Promise<View>
      readonly said: (view: View) => string
    },
  ) =>
  (parent: Command, frame: Frame): void => {
    parent
      .command(name)
      .description(parts.description)
      .argument(...parts.argument)
      .addOption(jsonOption())
      .action((which: string, { json }: { json?: boolean }) => change(frame, json, (client) => parts.make(client, which), parts.said))
  }
