import Table from 'cli-table3'
import pc from 'picocolors'
import type { ImportKeysAnswer, KeyView, ValidateKeyAnswer } from '../contract/index.ts'
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

export function keyText(key: KeyView, nowMs: number): string {
  const table = new Table(PLAIN)
  const rows: readonly (readonly [string, string])[] = [
    ['id', key.legacy ? `${key.id} (imported)` : key.id],
    ['user', visible(key.user)],
    ['rights', rightsText(key.rights)],
    ['state', stateText(key) + (key.disabled_at === null ? '' : ` since ${when(key.disabled_at, nowMs)}`)],
    ['description', visible(key.description)],
    ['rate', key.rate ?? 'no limit'],
    ['concurrency', key.concurrency === 0 ? 'no limit' : `${key.concurrency} at a time`],
    ['created', when(key.created_at, nowMs) ?? ''],
    ['expires', when(key.expires_at, nowMs) ?? 'never'],
    ['last used', when(key.last_used_at, nowMs) ?? 'never'],
    ['rotated', when(key.rotated_at, nowMs) ?? 'never'],
  ]
  for (const [name, value] of rows) if (value !== '') table.push([pc.dim(name), value])
  if (key.old_secret_until !== null) table.push([pc.dim('old secret'), `works until ${when(key.old_secret_until, nowMs)}`])
  return trimmed(table.toString())
}

const VERDICTS: Readonly<Record<string, string>> = {
  malformed: 'it is neither a key of this gateway nor a key id',
  bad_crc: 'its checksum is wrong: it was mistyped or cut off',
  unknown_key: 'there is no such key in this store',
  wrong_secret: 'its key id is known, but its secret is wrong',
  rotated_out: 'its secret was replaced by a rotation, and the grace period is over',
  disabled: 'it is disabled',
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

const stateText = ({ state }: KeyView) => STATE_COLOURS[state](state)

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
