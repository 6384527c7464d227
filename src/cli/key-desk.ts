import * as clack from '@clack/prompts'
import pc from 'picocolors'
import type { KeyView } from '../contract/index.ts'
import { visible } from '../kernel/index.ts'
import * as actions from './key-actions.ts'
import type { AdminClient } from './key-client.ts'
import type { Io } from './key-io.ts'
import { rightsText } from './key-print.ts'
import { EXIT, Exit } from './terminal.ts'

/** A step that was given up with Ctrl-C or Escape: back to the menu, and out of it from there. */
export class GivenUp extends Error {}

export interface Desk {
  readonly client: AdminClient
  readonly io: Io
  readonly streams: { readonly input: Io['input']; readonly output: Io['output'] }
}

/** A key to choose by typing part of its id, user or description. */
export async function pickKey(desk: Desk, suits: (key: KeyView) => boolean): Promise<KeyView> {
  const keys = await actions.listKeys(desk.client, { all: true })
  const found = keys.filter(suits)
  if (found.length === 0) throw new Exit(EXIT.negative, 'There is no such key')
  const picked = await clack.autocomplete({
    message: 'Which key? (type to search)',
    options: found.map((key) => ({
      value: key.id,
      label: `${key.id}  ${visible(key.user)}`,
      hint: `${key.state}, ${rightsText(key.rights)}  ${visible(key.description)}`,
    })),
    maxItems: 10,
    ...desk.streams,
  })
  const key = clack.isCancel(picked) ? undefined : found.find(({ id }) => id === picked)
  if (!key) throw new GivenUp()
  return key
}

export async function busy<T>({ streams }: Desk, message: string, work: Promise<T>): Promise<T> {
  const spinner = clack.spinner(streams)
  spinner.start(message)
  try {
    const result = await work
    spinner.stop(pc.dim(message))
    return result
  } catch (thrown) {
    spinner.error('It did not work')
    throw thrown
  }
}

interface Question {
  readonly message: string
  readonly placeholder: string
  /** What stands there already, to be kept or changed. */
  readonly initial?: string
  readonly wrong?: (answer: string) => string | undefined
}

export async function text({ streams }: Desk, { message, placeholder, initial = '', wrong }: Question): Promise<string> {
  const answer = await clack.text({
    message,
    placeholder,
    initialValue: initial,
    validate: (value) => wrong?.((value ?? '').trim()),
    ...streams,
  })
  if (clack.isCancel(answer)) throw new GivenUp()
  return (answer ?? '').trim()
}
