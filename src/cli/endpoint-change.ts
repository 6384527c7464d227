import { type Command, InvalidArgumentError, Option } from 'commander'
import { type EditEndpointBody, ENDPOINT_DIALECTS, type EndpointView } from '../contract/index.ts'
import { LIMITS } from '../kernel/index.ts'
import { addEndpoint, deleteEndpoint, editEndpoint } from './endpoint-actions.ts'
import { type KeyFlags, keyWanted } from './endpoint-key.ts'
import {
  nullFor,
  type OrNone,
  onOff,
  orNone,
  type SpendingFlags,
  spendingFields,
  splitList,
  wholeNumber,
  withSpending,
  zeroFor,
} from './key-flags.ts'
import { change, type Frame, jsonOption, plainChange, somethingSaid } from './key-frame.ts'

export const ENDPOINT = 'the name of the endpoint, or its id'

interface EndpointFlags extends KeyFlags, SpendingFlags {
  readonly dialect?: (typeof ENDPOINT_DIALECTS)[number]
  readonly speaks?: OrNone<string[]>
  readonly rpm?: OrNone<number>
  readonly perDay?: OrNone<number>
  readonly concurrency?: OrNone<number>
  readonly priority?: number
  readonly abort?: 'cancel' | 'drain'
  readonly remote?: 'refuse' | 'allow'
  readonly discover?: boolean
  readonly json?: boolean
}

const withFields = (command: Command): Command =>
  withSpending(withRates(command))
    .option('--concurrency <n>', 'requests at the same time, 0 or none for no limit', orNone(wholeNumber(0, 100_000)))
    .option('--priority <n>', 'lower is asked first (default: 0)', wholeNumber(0, 1_000))
    .addOption(
      new Option('--abort <how>', 'whether a request whose caller left is cancelled there (default), or read to its end').choices([
        'cancel',
        'drain',
      ]),
    )
    .addOption(
      new Option(
        '--remote <allow|refuse>',
        'whether callers may name what is fetched from elsewhere: addresses of pictures, tools that the provider runs, files and conversations of its account (default: refuse)',
      ).choices(['allow', 'refuse']),
    )
    .option('--discover <on|off>', 'whether the models that it lists appear by themselves (default: off)', onOff)

const withRates = (command: Command): Command =>
  command
    .addOption(new Option('--dialect <name>', 'what it speaks (default: openai)').choices(ENDPOINT_DIALECTS))
    .option('--speaks <protocols>', 'a list such as chat,embeddings; none for all that its dialect does', protocols)
    .option('--key-file <file>', "the provider's own key, in a file that only you can read")
    .option('--key <->', "- reads the provider's own key from what is piped in; a terminal is asked")
    .option('--rpm <n>', 'requests in a minute, or none', orNone(wholeNumber(1, LIMITS.rateCountMax)))
    .option('--per-day <n>', 'requests in a day, or none', orNone(wholeNumber(1, LIMITS.rateCountMax)))

async function fieldsOf({ key, keyFile, ...flags }: EndpointFlags, { io }: Frame): Promise<EditEndpointBody> {
  return {
    dialect: flags.dialect,
    speaks: nullFor(flags.speaks),
    key: await keyWanted({ ...(key !== undefined && { key }), ...(keyFile !== undefined && { keyFile }) }, io),
    rpm: nullFor(flags.rpm),
    per_day: nullFor(flags.perDay),
    ...spendingFields(flags),
    concurrency: zeroFor(flags.concurrency),
    priority: flags.priority,
    abort: flags.abort,
    remote: flags.remote,
    discover: flags.discover,
  }
}

export function addAdd(endpoint: Command, frame: Frame): void {
  const add = endpoint
    .command('add')
    .description('make an endpoint: a server or a provider where models are')
    .argument('<name>', 'lower case letters, digits and . _ -')
    .requiredOption('--url <address>', 'what one would give an SDK as its base URL, such as https://api.example.com/v1')
  withFields(add)
    .addOption(jsonOption())
    .action(async (name: string, { url, json, ...flags }: EndpointFlags & { url: string }) => {
      const body = await fieldsOf(flags, frame)
      return change(
        frame,
        json,
        (client) => addEndpoint(client, { ...body, name, url }),
        (made) => `added ${named(made)}`,
      )
    })
}

export function addEdit(endpoint: Command, frame: Frame): void {
  const edit = endpoint
    .command('edit')
    .description('change an endpoint; the next request sees it')
    .argument('<endpoint>', ENDPOINT)
    .option('--name <name>', 'another name; models stay at it')
    .option('--url <address>', 'another address; at another host the key has to be given again')
  // After --key, or it would be as if a key were always given.
  withFields(edit)
    .option('--no-key', 'take the key away')
    .addOption(jsonOption())
    .action(async (which: string, { name, url, json, ...flags }: EndpointFlags & { name?: string; url?: string }) => {
      const body = somethingSaid({ name, url, ...(await fieldsOf(flags, frame)) })
      return change(
        frame,
        json,
        (client) => editEndpoint(client, which, body),
        (edited) => `edited ${named(edited)}`,
      )
    })
}

const named = ({ name, id }: EndpointView): string => `${name} (${id})`
const modelsText = ({ models }: EndpointView): string => (models === 1 ? '1 model' : `${models} models`)

export const addDisable = plainChange('disable', {
  description: 'take an endpoint out of every model at once; what runs there may finish',
  argument: ['<endpoint>', ENDPOINT],
  make: (client, which) => editEndpoint(client, which, { active: false }),
  said: (view) => `disabled ${named(view)}, of ${modelsText(view)}`,
})

export const addEnable = plainChange('enable', {
  description: 'give a disabled endpoint back to its models',
  argument: ['<endpoint>', ENDPOINT],
  make: (client, which) => editEndpoint(client, which, { active: true }),
  said: (view) => `enabled ${named(view)}, of ${modelsText(view)}${view.note === '' ? '' : `; it serves nothing yet: ${view.note}`}`,
})

export const addDelete = plainChange('delete', {
  description: 'take an endpoint out of every model for good, throw its key away and free the name; the ledger keeps what was',
  argument: ['<endpoint>', ENDPOINT],
  make: deleteEndpoint,
  said: (view) => `deleted ${named(view)}`,
})

const protocols = orNone((text: string): string[] => {
  const list = splitList(text)
  if (list.length === 0) throw new InvalidArgumentError('want a list such as chat,embeddings, or none.')
  return list
})
