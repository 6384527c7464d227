import * as clack from '@clack/prompts'
import type { EditKeyBody, KeyView } from '../contract/index.ts'
import * as actions from './key-actions.ts'
import { type Desk, GivenUp, pickKey, text } from './key-desk.ts'
import { splitList } from './key-flags.ts'
import { keyText, rightsText, when } from './key-print.ts'
import { pickExpiry, pickRights, wrongAmount, wrongCount, wrongRate } from './key-questions.ts'

interface Part {
  readonly label: string
  /** What it is so far. */
  readonly now: (key: KeyView, nowMs: number) => string
  readonly ask: (desk: Desk, key: KeyView) => Promise<EditKeyBody>
}

const DAY_MS = 86_400_000
const EMPTY_IS_NONE = 'nothing for no limit'

const PARTS: Readonly<Record<string, Part>> = {
  rights: { label: 'Rights', now: (key) => rightsText(key.rights), ask: async (desk) => ({ rights: await pickRights(desk) }) },
  description: {
    label: 'Description',
    now: (key) => key.description,
    ask: async (desk, { description }) => ({
      description: await text(desk, { message: 'What is it for?', placeholder: 'laptop', initial: description }),
    }),
  },
  expiry: {
    label: 'Expiry',
    now: (key, nowMs) => when(key.expires_at, nowMs) ?? 'never',
    ask: async (desk) => {
      const days = await pickExpiry(desk)
      return { expires_at: days === null ? null : new Date(desk.io.clock.nowMs() + days * DAY_MS).toISOString() }
    },
  },
  rate: limit('Rate', 'How many calls may it make? 60/m, 1000/h, 5000/d', 'rate', wrongRate),
  concurrency: {
    label: 'Concurrency',
    now: ({ concurrency }) => (concurrency === 0 ? 'no limit' : String(concurrency)),
    ask: async (desk, { concurrency }) => ({
      concurrency: Number(
        await text(desk, {
          message: 'How many requests at the same time?',
          placeholder: EMPTY_IS_NONE,
          initial: concurrency === 0 ? '' : String(concurrency),
          wrong: wrongCount,
        }),
      ),
    }),
  },
  tokens: {
    label: 'Tokens per minute',
    now: ({ tokens_per_minute }) => String(tokens_per_minute ?? 'no limit'),
    ask: async (desk, { tokens_per_minute }) => {
      const initial = String(tokens_per_minute ?? '')
      const answer = await text(desk, { message: 'How many tokens in a minute?', placeholder: EMPTY_IS_NONE, initial, wrong: wrongCount })
      return { tokens_per_minute: answer === '' ? null : Number(answer) }
    },
  },
  day: limit('Budget of a day', 'What may it spend on a day?', 'budget_day', wrongAmount),
  month: limit('Budget of a month', 'What may it spend in a month?', 'budget_month', wrongAmount),
  models: list('Models', 'Which models may it use? gpt-4 llama*', 'models'),
  networks: list('Networks', 'Where may it be used from? 10.0.0.0/8 private', 'networks'),
  content: {
    label: 'Content',
    now: ({ log_content }) => (log_content ? 'prompts and answers are kept' : 'nothing is kept'),
    ask: async ({ streams }, { log_content }) => {
      const kept = await clack.confirm({ message: 'Shall prompts and answers be kept?', initialValue: log_content, ...streams })
      if (clack.isCancel(kept)) throw new GivenUp()
      return { log_content: kept }
    },
  },
}

function limit(
  label: string,
  message: string,
  field: 'rate' | 'budget_day' | 'budget_month',
  wrong: (answer: string) => string | undefined,
): Part {
  return {
    label,
    now: (key) => key[field] ?? 'no limit',
    ask: async (desk, key) => ({
      [field]: (await text(desk, { message, placeholder: EMPTY_IS_NONE, initial: key[field] ?? '', wrong })) || null,
    }),
  }
}

function list(label: string, message: string, field: 'models' | 'networks'): Part {
  return {
    label,
    now: (key) => key[field]?.join(' ') ?? 'all',
    ask: async (desk, key) => {
      const words = splitList(await text(desk, { message, placeholder: 'nothing for all', initial: key[field]?.join(' ') ?? '' }))
      return { [field]: words.length > 0 ? words : null }
    },
  }
}

/** One part of one key after another, each written as soon as it is said, until that is enough. */
export async function edit(desk: Desk): Promise<void> {
  let key = await pickKey(desk, () => true)
  for (;;) {
    const part = await pickPart(desk, key)
    if (part === null) break
    key = await actions.editKey(desk.client, key.id, await part.ask(desk, key))
    clack.log.success(`edited ${key.id}`, desk.streams)
  }
  clack.note(keyText(key, desk.io.clock.nowMs()), `key ${key.id}`, desk.streams)
}

async function pickPart({ io, streams }: Desk, key: KeyView): Promise<Part | null> {
  const options = Object.entries(PARTS).map(([value, { label, now }]) => ({ value, label, hint: now(key, io.clock.nowMs()) }))
  const picked = await clack.select({
    message: `What of ${key.id}?`,
    options: [...options, { value: '', label: 'That is all' }],
    ...streams,
  })
  return clack.isCancel(picked) ? null : (PARTS[picked] ?? null)
}
