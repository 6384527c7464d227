import { clip } from '../kernel/index.ts'

const VALUE_CHARS_MAX = 32

/** Goes in and is told to nobody, in the ledger least of all. */
const SECRETS: ReadonlySet<string> = new Set(['key'])

/**
 * What an edit has changed, for the ledger: `rate=60/m budget_day=none`. The body has been read before, so every field in it is one that there is. A new name
 * stands in front of it.
 */
export function changesText(body: unknown): string {
  if (typeof body !== 'object' || body === null) return ''
  return Object.entries(body)
    .filter(([name]) => name !== 'name')
    .map(([name, value]) => `${name}=${SECRETS.has(name) && value !== null ? 'set' : clip(valueText(value), VALUE_CHARS_MAX)}`)
    .join(' ')
}

/** The name of what was edited, and what of it. */
export const withChanges = (name: string, body: unknown): string => `${name} ${changesText(body)}`.trimEnd()

function valueText(value: unknown): string {
  if (value === null) return 'none'
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value.join(',')
  if (typeof value === 'string') return /^\S+$/.test(value) ? value : JSON.stringify(value)
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
