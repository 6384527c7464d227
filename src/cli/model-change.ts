import { type Command, InvalidArgumentError, Option } from 'commander'
import type { EditModelBody, ModelView } from '../contract/index.ts'
import { BILLING_UNITS, type BillingUnit, CAPABILITIES, type Capability, LIMITS } from '../kernel/index.ts'
import type { AdminClient } from './key-client.ts'
import {
  amount,
  nullFor,
  type OrNone,
  orNone,
  type SpendingFlags,
  spendingFields,
  wholeNumber,
  withSpending,
  zeroFor,
} from './key-flags.ts'
import { change, type Frame, jsonOption, plainChange, somethingSaid } from './key-frame.ts'
import { type Io, remark } from './key-io.ts'
import { addModel, deleteModel, editModel, showModel } from './model-actions.ts'
import { EXIT, Exit } from './terminal.ts'

export const MODEL = 'the name of the model'

type Place = NonNullable<EditModelBody['endpoints']>[number]

interface ModelFlags extends SpendingFlags {
  readonly endpoint?: Place[]
  readonly capability?: Capability
  readonly unit?: BillingUnit
  readonly priceIn?: string
  readonly priceOut?: string
  readonly rpm?: OrNone<number>
  readonly perDay?: OrNone<number>
  readonly concurrency?: OrNone<number>
  readonly fallback?: OrNone<string>
  readonly option?: OrNone<Readonly<Record<string, unknown>>>
  readonly json?: boolean
}

const withFields = (command: Command): Command =>
  withSpending(withPrices(command))
    .option('--fallback <model>', 'the model that serves when no endpoint of this one can, or none', orNone(String))
    .option(
      '--option <name=value>',
      'a field that requests get which do not say it, such as num_ctx=8192; may be repeated, none for no fields',
      field,
    )

const withPrices = (command: Command): Command =>
  command
    .addOption(new Option('--capability <kind>', 'what it is for (default: text)').choices(CAPABILITIES))
    .addOption(
      new Option(
        '--unit <unit>',
        'what it is billed by: token or request; for pictures image or request, speech character or request, transcription minute or request',
      ).choices(BILLING_UNITS),
    )
    .option('--price-in <amount>', 'for what goes in: a million tokens or characters, a minute, a request', amount)
    .option('--price-out <amount>', 'for what comes out: a million tokens, an image', amount)
    .option('--rpm <n>', 'requests in a minute, or none', orNone(wholeNumber(1, LIMITS.rateCountMax)))
    .option('--per-day <n>', 'requests in a day, or none', orNone(wholeNumber(1, LIMITS.rateCountMax)))
    .option('--concurrency <n>', 'requests at the same time, 0 or none for no limit', orNone(wholeNumber(0, 100_000)))

const fieldsOf = (flags: ModelFlags): Omit<EditModelBody, 'endpoints'> => ({
  capability: flags.capability,
  unit: flags.unit,
  price_in: flags.priceIn,
  price_out: flags.priceOut,
  rpm: nullFor(flags.rpm),
  per_day: nullFor(flags.perDay),
  concurrency: zeroFor(flags.concurrency),
  ...spendingFields(flags),
  fallback: nullFor(flags.fallback),
  options: flags.option === undefined ? undefined : { ...nullFor(flags.option) },
})

const PLACE = 'an endpoint, and the name of the model there, such as builtin:chat=llama3.2; may be repeated'

export function addAdd(model: Command, frame: Frame): void {
  const add = model
    .command('add')
    .description('make a model: a name for callers, and where it is')
    .argument('<name>', 'as callers write it')
    .requiredOption('--endpoint <name=upstream>', PLACE, place)
  withFields(add)
    .addOption(jsonOption())
    .action((name: string, { endpoint = [], json, ...flags }: ModelFlags) =>
      change(
        frame,
        json,
        async (client) =>
          withFallbackSeen(client, frame.io, flags, await addModel(client, { ...fieldsOf(flags), name, endpoints: endpoint })),
        (made) => `added ${made.name} at ${placesText(made)}`,
      ),
    )
}

export function addEdit(model: Command, frame: Frame): void {
  const edit = model
    .command('edit')
    .description('change a model; the next request sees it. What is given takes the place of what was there')
    .argument('<model>', MODEL)
    .option('--name <name>', 'another name; those who fall back to it are told')
    .option('--endpoint <name=upstream>', PLACE, place)
  withFields(edit)
    .addOption(jsonOption())
    .action((which: string, { name, endpoint, json, ...flags }: ModelFlags & { name?: string }) => {
      const body = somethingSaid({ name, endpoints: endpoint, ...fieldsOf(flags) })
      return change(
        frame,
        json,
        async (client) => withFallbackSeen(client, frame.io, flags, await editModel(client, which, body)),
        (edited) => `edited ${edited.name}`,
      )
    })
}

export const addDisable = plainChange('disable', {
  description: 'take a model away from every caller at once; its name and its place stay taken',
  argument: ['<model>', MODEL],
  make: (client, which) => editModel(client, which, { active: false }),
  said: ({ name }) => `disabled ${name}`,
})

export const addEnable = plainChange('enable', {
  description: 'give a disabled model back to its callers',
  argument: ['<model>', MODEL],
  make: (client, which) => editModel(client, which, { active: true }),
  said: ({ name }) => `enabled ${name}`,
})

export const addDelete = plainChange('delete', {
  description: 'delete a model and free its name; the ledger and the accounts keep what was',
  argument: ['<model>', MODEL],
  make: deleteModel,
  said: ({ name }) => `deleted ${name}`,
})

export const placesText = ({ endpoints }: ModelView): string =>
  endpoints.map(({ endpoint, upstream }) => (upstream === null ? endpoint : `${endpoint}=${upstream}`)).join(', ')

/** A fallback may come later, or appear by itself; a mistyped one would be noticed only on the day it is needed. */
async function withFallbackSeen(client: AdminClient, io: Io, { fallback }: ModelFlags, view: ModelView): Promise<ModelView> {
  if (view.fallback === null || fallback === undefined) return view
  await showModel(client, view.fallback).catch((thrown: unknown) => {
    if (!(thrown instanceof Exit) || thrown.exitCode !== EXIT.negative) throw thrown
    remark(io, `note: the fallback is not there at this moment. ${thrown.message}`)
  })
  return view
}

function place(text: string, before: Place[] = []): Place[] {
  const cut = text.indexOf('=')
  const [endpoint, upstream] = cut === -1 ? [text, null] : [text.slice(0, cut), text.slice(cut + 1)]
  if (endpoint === '' || upstream === '') throw new InvalidArgumentError('want an endpoint such as builtin:chat=llama3.2.')
  return [...before, { endpoint, upstream }]
}

/** A value that reads as JSON is what it reads as; any other is a text. */
function field(text: string, before: OrNone<Readonly<Record<string, unknown>>> | undefined): OrNone<Readonly<Record<string, unknown>>> {
  if (text.trim().toLowerCase() === 'none') return 'none'
  const cut = text.indexOf('=')
  if (cut < 1) throw new InvalidArgumentError('want a field such as num_ctx=8192, or none.')
  const [name, value] = [text.slice(0, cut), text.slice(cut + 1)]
  return { ...(before === 'none' ? {} : before), [name]: fieldValue(value) }
}

function fieldValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
