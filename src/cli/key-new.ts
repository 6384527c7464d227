import { type Command, InvalidArgumentError } from 'commander'
import type { KeyWithSecret } from '../contract/index.ts'
import { LIMITS } from '../kernel/index.ts'
import { generateKey, parseGrace, rotateKey } from './key-actions.ts'
import type { AdminClient } from './key-client.ts'
import {
  type LimitFlags,
  limitFields,
  orNone,
  type ReachFlags,
  rate,
  reachFields,
  rightWords,
  wholeNumber,
  withReach,
  withSpending,
} from './key-flags.ts'
import { changed, type Frame, ID, json, jsonOption, printer } from './key-frame.ts'
import { type Io, remark, say } from './key-io.ts'
import { EXIT } from './terminal.ts'

export function addGenerate(key: Command, { run, io }: Frame): void {
  const generate = key
    .command('generate')
    .description('make a key; it is shown once')
    .requiredOption('-u, --user <name>', 'whose key it is')
    .requiredOption(
      '-s, --service <rights>',
      'what it may use: chat, tts, image, whisper, all, manage:<service>, use:<service>, observe',
      rightWords,
    )
    .option('-d, --description <text>', 'what it is for', '')
    .option('-e, --expires <days>', 'days until it expires (default: never)', wholeNumber(1, 36_500))
    .option('--rate <rate>', 'calls allowed, such as 60/m, 1000/h or 5000/d (default: no limit)', orNone(rate))
    .option('--concurrency <n>', 'requests at the same time, 0 for no limit', orNone(wholeNumber(0, 100_000)), LIMITS.keyConcurrencyDefault)
  withReach(withSpending(generate))
    .addOption(jsonOption())
    .action(({ user, service: rights, description, expires, json: asJson = false, ...flags }: GenerateOptions) =>
      run(async (client) => {
        const body = { user, rights, description, expires_days: expires ?? null, ...limitFields(flags), ...reachFields(flags) }
        await showNewKey(io, client, await generateKey(client, body), asJson)
        return EXIT.done
      }),
    )
}

interface GenerateOptions extends LimitFlags, ReachFlags {
  readonly user: string
  readonly service: string[]
  readonly description: string
  readonly expires?: number
  readonly json?: boolean
}

export function addRotate(key: Command, { run, io }: Frame): void {
  key
    .command('rotate')
    .description('give a key a new secret; the old one works on for a while')
    .argument('<id>', ID)
    .option('--grace <time>', 'how long the old secret works on: 30m, 24h, 7d, or 0', checkGrace, 86_400)
    .option('--idempotency-key <text>', 'the same text within ten minutes gives the same answer instead of a second rotation')
    .addOption(jsonOption())
    .action((id: string, options: { grace: number; idempotencyKey?: string; json?: boolean }) =>
      run(async (client) => {
        const { grace, idempotencyKey } = options
        const made = await rotateKey(client, id, { graceSeconds: grace, ...(idempotencyKey !== undefined && { idempotencyKey }) })
        await showNewKey(io, client, made, options.json ?? false)
        return EXIT.done
      }),
    )
}

/** The new key, once: alone on stdout when that is a pipe, so that `KEY=$(…)` holds the key and nothing else. */
async function showNewKey(io: Io, client: AdminClient, made: KeyWithSecret, asJson: boolean): Promise<void> {
  if (asJson) return json(io, client, made)
  const { keyText } = await printer()
  const details = `${keyText(made, io.clock.nowMs())}\nKeep the key now: it is stored only as a hash and cannot be shown again.`
  if (io.output.isTTY) {
    say(io, `\n  ${made.api_key}\n\n${details}`)
  } else {
    remark(io, details)
    say(io, made.api_key)
  }
  changed(client, io)
}

function checkGrace(text: string): number {
  const seconds = parseGrace(text)
  if (seconds === null) throw new InvalidArgumentError('want a time such as 30m, 24h or 7d, or 0.')
  return seconds
}
