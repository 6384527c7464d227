import * as clack from '@clack/prompts'
import pc from 'picocolors'
import type { CreateKeyBody, KeyWithSecret } from '../contract/index.ts'
import { LIMITS, visible } from '../kernel/index.ts'
import * as actions from './key-actions.ts'
import type { AdminClient } from './key-client.ts'
import { busy, type Desk, GivenUp, pickKey, text } from './key-desk.ts'
import type { Io } from './key-io.ts'
import { edit } from './key-menu-edit.ts'
import { importText, keyText, verdictText } from './key-print.ts'
import { pickExpiry, pickRights, wrongRate, wrongUser } from './key-questions.ts'
import { KeyTable } from './key-table.ts'
import { EXIT, Exit } from './terminal.ts'

type Errand = (desk: Desk) => Promise<void>

const ERRANDS: Readonly<Record<string, { readonly label: string; readonly hint: string; readonly go: Errand }>> = {
  generate: { label: 'Generate a key', hint: 'for a person, a program or a device', go: generate },
  list: { label: 'List keys', hint: 'active ones, newest first', go: list },
  show: { label: 'Show a key', hint: 'rights, limits, last use', go: show },
  edit: { label: 'Edit a key', hint: 'what it may do; its secret stays as it is', go: edit },
  disable: { label: 'Disable a key', hint: 'it stops at once', go: disable },
  enable: { label: 'Enable a key', hint: 'let a disabled one in again', go: enable },
  rotate: { label: 'Rotate a key', hint: 'new secret, the old one works on for a while', go: rotate },
  validate: { label: 'Validate a key', hint: 'would it be let in?', go: validate },
  import: { label: 'Import an old key file', hint: 'JSON; it is only read', go: importFile },
}

/** Key management for a person at a terminal, until they leave. */
export async function keyMenu(client: AdminClient, io: Io): Promise<number> {
  const desk: Desk = { client, io, streams: { input: io.input, output: io.output } }
  clack.intro(`${pc.inverse(' portcullis keys ')} ${pc.dim(client.store)}`, desk.streams)
  for (;;) {
    const errand = await choice(desk)
    if (!errand) break
    try {
      await errand(desk)
    } catch (thrown) {
      if (thrown instanceof GivenUp) clack.log.info(pc.dim('nothing was changed'), desk.streams)
      else if (thrown instanceof Exit && thrown.exitCode !== EXIT.unavailable) clack.log.error(thrown.message, desk.streams)
      else throw thrown
    }
  }
  clack.outro(pc.dim('goodbye'), desk.streams)
  return EXIT.done
}

/** One hidden question, for `validate` without an argument. */
export async function askForKey(io: Io): Promise<string> {
  const streams = { input: io.input, output: io.errors }
  const key = await clack.password({ message: 'Key to validate', ...streams })
  return clack.isCancel(key) ? '' : key.trim()
}

async function choice({ streams }: Desk): Promise<Errand | null> {
  const options = Object.entries(ERRANDS).map(([value, { label, hint }]) => ({ value, label, hint }))
  const picked = await clack.select({
    message: 'What shall be done?',
    options: [...options, { value: 'leave', label: 'Leave' }],
    ...streams,
  })
  return clack.isCancel(picked) ? null : (ERRANDS[picked]?.go ?? null)
}

async function generate(desk: Desk): Promise<void> {
  const input: CreateKeyBody = {
    user: await text(desk, { message: 'Whose key is it?', placeholder: 'ada', wrong: wrongUser }),
    rights: await pickRights(desk),
    description: await text(desk, { message: 'What is it for?', placeholder: 'optional, such as: laptop' }),
    expires_days: await pickExpiry(desk),
    rate:
      (await text(desk, { message: 'How many calls may it make?', placeholder: 'no limit; or 60/m, 1000/h, 5000/d', wrong: wrongRate })) ||
      null,
    concurrency: LIMITS.keyConcurrencyDefault,
  }
  showNewKey(desk, await busy(desk, 'Hashing', actions.generateKey(desk.client, input)))
}

/** What fits on a screen; one page. */
const MENU_KEYS = 50

async function list({ client, io, streams }: Desk): Promise<void> {
  for await (const page of actions.keyPages(client, { all: false, limit: MENU_KEYS })) {
    clack.log.message(new KeyTable(io.clock.nowMs()).page(page), streams)
  }
}

async function show(desk: Desk): Promise<void> {
  const key = await pickKey(desk, () => true)
  clack.note(keyText(key, desk.io.clock.nowMs()), `key ${key.id}`, desk.streams)
}

async function disable(desk: Desk): Promise<void> {
  const key = await pickKey(desk, (one) => one.state !== 'disabled')
  const how = await clack.select({
    message: `Disable ${key.id} of ${visible(key.user)}?`,
    options: [
      { value: 'finish', label: 'Yes', hint: 'what it has running may finish' },
      { value: 'cut', label: 'Yes, and cut what it has running' },
      { value: 'no', label: 'No' },
    ],
    ...desk.streams,
  })
  if (clack.isCancel(how) || how === 'no') throw new GivenUp()
  await actions.disableKey(desk.client, key.id, how === 'cut')
  clack.log.success(`disabled ${key.id}`, desk.streams)
}

async function enable(desk: Desk): Promise<void> {
  const key = await pickKey(desk, (one) => one.state === 'disabled')
  await actions.enableKey(desk.client, key.id)
  clack.log.success(`enabled ${key.id}`, desk.streams)
}

async function rotate(desk: Desk): Promise<void> {
  const key = await pickKey(desk, () => true)
  const graceSeconds = await clack.select({
    message: `How long shall the old secret of ${key.id} work on?`,
    options: [
      { value: 86_400, label: 'a day' },
      { value: 3_600, label: 'an hour' },
      { value: 604_800, label: 'a week' },
      { value: 0, label: 'not at all', hint: 'it was leaked' },
    ],
    ...desk.streams,
  })
  if (clack.isCancel(graceSeconds)) throw new GivenUp()
  showNewKey(desk, await busy(desk, 'Hashing', actions.rotateKey(desk.client, key.id, { graceSeconds })))
}

async function validate({ client, io, streams }: Desk): Promise<void> {
  const key = await clack.password({ message: 'The key, or a key id', ...streams })
  if (clack.isCancel(key) || key.trim() === '') throw new GivenUp()
  const verdict = await actions.validateKey(client, key.trim())
  clack.log[verdict.valid ? 'success' : 'error'](verdictText(verdict), { output: io.output })
}

async function importFile(desk: Desk): Promise<void> {
  const file = actions.keyFileAt(
    await text(desk, { message: 'Which file?', placeholder: 'keys.json', wrong: (path) => (path ? undefined : 'a path, please') }),
  )
  const fromService = await clack.confirm({
    message: "Take each key's service as its rights? (No gives them all five, as the old system did in truth.)",
    initialValue: false,
    ...desk.streams,
  })
  if (clack.isCancel(fromService)) throw new GivenUp()
  const report = await busy(desk, 'Hashing each key', actions.importKeys(desk.client, file, fromService))
  clack.log.message(importText(report), desk.streams)
}

function showNewKey({ io, streams }: Desk, made: KeyWithSecret): void {
  clack.note(keyText(made, io.clock.nowMs()), `key ${made.id}`, streams)
  clack.log.success('Keep it now: it is stored only as a hash and cannot be shown again.', streams)
  // Outside of any frame and guide, so that a triple click selects the key and nothing else.
  io.output.write(`\n${made.api_key}\n\n`)
}
