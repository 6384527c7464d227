import Table from 'cli-table3'
import pc from 'picocolors'
import type { ImportKeysAnswer, KeyDetail, KeyView, ValidateKeyAnswer } from '../contract/index.ts'
import { CAPABILITIES, RIGHT_ALIASES, visible } from '../kernel/index.ts'

export const STATE_COLOURS = { active: pc.green, disabled: pc.red, expired: pc.yellow } as const

/** No frames: a table that can be copied, and that grep and awk do not stumble over. */
const PLAIN = {
  chars: {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  },
  style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
}

/** Names and values, one under the other; what has no value is left out. */
export function details(rows: readonly (readonly [string, string])[]): string {
  const table = new Table(PLAIN)
  for (const [name, value] of rows) if (value !== '') table.push([pc.dim(name), value])
  return trimmed(table.toString())
}

export function keyText(key: KeyView & Partial<KeyDetail>, nowMs: number): string {
  return details([
    ['id', key.legacy ? `${key.id} (imported)` : key.id],
    ['user', visible(key.user)],
    ['rights', rightsText(key.rights)],
    ['state', stateText(key, nowMs)],
    ['description', visible(key.description)],
    ...limitRows(key),
    ['spent', spentText(key)],
    ['models', listText(key.models)],
    ['networks', listText(key.networks)],
    ['content', key.log_content ? 'prompts and answers are kept' : ''],
    ['created', when(key.created_at, nowMs) ?? ''],
    ['expires', when(key.expires_at, nowMs) ?? 'never'],
    ['last used', when(key.last_used_at, nowMs) ?? 'never'],
    ['rotated', when(key.rotated_at, nowMs) ?? 'never'],
    ['old secret', key.old_secret_until === null ? '' : `works until ${when(key.old_secret_until, nowMs)}`],
  ])
}

/** What most keys have not, in a few words for a table. */
export function extrasText(key: KeyView): string {
  const parts = [
    key.models && `models ${listText(key.models)}`,
    key.networks && `from ${listText(key.networks)}`,
    key.tokens_per_minute === null ? '' : `${key.tokens_per_minute} tokens/min`,
    budgetText(key),
    key.log_content ? 'content kept' : '',
  ]
  return parts.filter((part) => part).join('; ')
}

/** What a key and a user have alike. */
type Limited = Pick<KeyView, 'rate' | 'concurrency' | 'tokens_per_minute' | 'budget_day' | 'budget_month'>

export const limitRows = (limits: Limited): readonly (readonly [string, string])[] => [
  ['rate', limits.rate ?? 'no limit'],
  ['concurrency', limits.concurrency === 0 ? 'no limit' : `${limits.concurrency} at a time`],
  ['tokens', limits.tokens_per_minute === null ? '' : `${limits.tokens_per_minute} a minute`],
  ['budget', budgetText(limits)],
]

export function budgetText({ budget_day, budget_month }: Pick<Limited, 'budget_day' | 'budget_month'>): string {
  const parts = [budget_day === null ? '' : `${budget_day} a day`, budget_month === null ? '' : `${budget_month} a month`]
  return parts.filter((part) => part !== '').join(', ')
}

/** What has gone of each budget; what has none is told where something was spent. */
export function spentText({ budget_day, budget_month, spent_day, spent_month }: Limited & Partial<KeyDetail>): string {
  if (spent_day === undefined || spent_month === undefined) return ''
  const one = (spent: string, budget: string | null, span: string): string =>
    budget === null ? `${spent} ${span}` : `${spent} of ${budget} ${span}`
  if (spent_month === NOTHING && budget_day === null && budget_month === null) return ''
  return `${one(spent_day, budget_day, 'today')}, ${one(spent_month, budget_month, 'this month')}`
}

const NOTHING = '0.00'

const listText = (list: readonly string[] | null): string => visible((list ?? []).join(' '))

const VERDICTS: Readonly<Record<string, string>> = {
  malformed: 'it is neither a key of this gateway nor a key id',
  bad_crc: 'its checksum is wrong: it was mistyped or cut off',
  unknown_key: 'there is no such key in this store',
  wrong_secret: 'its key id is known, but its secret is wrong',
  rotated_out: 'its secret was replaced by a rotation, and the grace period is over',
  disabled: 'it is disabled',
  user_disabled: 'its user is disabled',
  expired: 'it has expired',
  unusable_hash: 'its stored hash cannot be used; see the log',
}

export function verdictText({ valid, reason, key }: ValidateKeyAnswer): string {
  const whose = key ? ` (key ${key.id} of ${visible(key.user)}: ${rightsText(key.rights)})` : ''
  if (valid) return `${pc.green('valid')}${whose}`
  return `${pc.red('not valid')}: ${VERDICTS[reason ?? ''] ?? reason ?? 'no reason was given'}${whose}`
}

export function importText({ imported, disabled, unchanged, skipped }: ImportKeysAnswer): string {
  const lines = [
    ...imported.map(({ id, user, rights }) => `${pc.green('imported')}  ${id}  ${visible(user)}  ${rightsText(rights)}`),
    ...disabled.map((id) => `${pc.red('disabled')}  ${id}`),
    ...skipped.map(({ entry, why }) => `${pc.yellow('skipped')}   ${visible(entry)}: ${visible(why)}`),
  ]
  lines.push(`${imported.length} imported, ${disabled.length} disabled, ${unchanged} unchanged, ${skipped.length} skipped`)
  return lines.join('\n')
}

/** Rights in the words that people gave them in: chat for text and embedding, all for the five. */
export function rightsText(rights: readonly string[]): string {
  const left = new Set(rights)
  const words: string[] = []
  const aliases = Object.entries(RIGHT_ALIASES).sort(([, a], [, b]) => b.length - a.length)
  for (const [alias, capabilities] of aliases) {
    if (!capabilities.every((capability) => left.has(capability))) continue
    words.push(alias)
    for (const capability of capabilities) left.delete(capability)
  }
  return visible([...words, ...CAPABILITIES.filter((one) => left.delete(one)), ...left].join(' '))
}

function stateText({ state, disabled_at }: KeyView, nowMs: number): string {
  const word = STATE_COLOURS[state](state)
  if (state !== 'disabled') return word
  return disabled_at === null ? `${word}, because its user is` : `${word} since ${when(disabled_at, nowMs)}`
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
] as const

/** `2026-12-21 10:00 UTC (in 30 d)`; null stays null, and the caller has the word for it. */
export function when(time: string | null, nowMs: number): string | null {
  if (time === null) return null
  const awayMs = Date.parse(time) - nowMs
  const size = Math.abs(awayMs)
  const unit = UNITS.find(([, ms]) => size >= ms)
  const span = unit ? `${Math.round(size / unit[1])} ${unit[0]}` : 'a moment'
  return `${time.slice(0, 10)} ${time.slice(11, 16)} UTC (${awayMs > 0 ? `in ${span}` : `${span} ago`})`
}

const trimmed = (text: string) => text.replace(/[ \t]+$/gm, '')
