import { InvalidArgumentError, Option } from 'commander'
import type { AdminClient } from './key-client.ts'
import { type Io, remark, say } from './key-io.ts'

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

export const ID = 'key id, or the start of it where only one key starts so'

/** Tables and colours take a while to load, which programs need not wait for. */
export const printer = () => import('./key-print.ts')

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d{1,9}$/.test(text) || value < min || value > max) throw new InvalidArgumentError(`want a whole number from ${min} to ${max}.`)
    return value
  }
}
