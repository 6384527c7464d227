import { type Command, InvalidArgumentError } from 'commander'
import type { EditKeyBody } from '../contract/index.ts'
import { parseMicro, parseRate, rightsOf } from '../kernel/index.ts'

/** Options that several commands have alike. A limit is taken away by `none` or `off`. */

/** A word and not null, which commander takes for a value that is missing. */
const NONE = 'none'
export type OrNone<T> = T | typeof NONE

export interface LimitFlags extends SpendingFlags {
  readonly rate?: OrNone<string>
  readonly concurrency?: OrNone<number>
}

export interface SpendingFlags {
  readonly tokensPerMinute?: OrNone<number>
  readonly budgetDay?: OrNone<string>
  readonly budgetMonth?: OrNone<string>
}

export interface ReachFlags {
  readonly models?: OrNone<string[]>
  readonly networks?: OrNone<string[]>
  readonly logContent?: boolean
}

export const withLimits = (command: Command): Command =>
  withSpending(
    command
      .option('--rate <rate>', 'calls allowed, such as 60/m, 1000/h or 5000/d, or none', orNone(rate))
      .option('--concurrency <n>', 'requests at the same time, 0 or none for no limit', orNone(wholeNumber(0, 100_000))),
  )

export const withSpending = (command: Command): Command =>
  command
    .option('--tokens-per-minute <n>', 'tokens allowed in a minute, or none', orNone(wholeNumber(1, 999_999_999)))
    .option('--budget-day <amount>', 'what may be spent on a UTC day, such as 2.50, or none', orNone(amount))
    .option('--budget-month <amount>', 'what may be spent in a UTC month, or none', orNone(amount))

export const withReach = (command: Command): Command =>
  command
    .option('--models <names>', 'the models it may use, such as gpt-4,llama*, or none for all', names)
    .option('--networks <list>', 'where it may be used from: addresses, ranges such as 10.0.0.0/8, private, or none for everywhere', names)
    .option('--log-content <on|off>', 'whether prompts and answers are kept', onOff)

export const limitFields = ({ rate, concurrency, ...spending }: LimitFlags) => ({
  rate: nullFor(rate),
  concurrency: zeroFor(concurrency),
  ...spendingFields(spending),
})

/** Of requests at once, the limit that is none is 0. */
export const zeroFor = (concurrency: OrNone<number> | undefined): number | undefined => (concurrency === NONE ? 0 : concurrency)

export const spendingFields = ({ tokensPerMinute, budgetDay, budgetMonth }: SpendingFlags) => ({
  tokens_per_minute: nullFor(tokensPerMinute),
  budget_day: nullFor(budgetDay),
  budget_month: nullFor(budgetMonth),
})

export const reachFields = ({ models, networks, logContent }: ReachFlags): Pick<EditKeyBody, 'models' | 'networks' | 'log_content'> => ({
  models: nullFor(models),
  networks: nullFor(networks),
  log_content: logContent,
})

const TAKEN_AWAY = new Set(['none', 'off'])

/** A limit, or the word that takes it away. */
export const orNone =
  <T>(read: (text: string) => T) =>
  (text: string): OrNone<T> =>
    TAKEN_AWAY.has(text.trim().toLowerCase()) ? NONE : read(text)

/** On the wire a limit is taken away by null; what was not said is undefined, and does not travel. */
export const nullFor = <T>(flag: OrNone<T> | undefined): T | null | undefined => (flag === NONE ? null : (flag as T | undefined)) // no longer the word

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d{1,9}$/.test(text) || value < min || value > max) throw new InvalidArgumentError(`want a whole number from ${min} to ${max}.`)
    return value
  }
}

export function rate(text: string): string {
  if (parseRate(text) === null) throw new InvalidArgumentError('want a rate such as 60/m, 1000/h or 5000/d.')
  return text.trim()
}

export function signedAmount(text: string): string {
  if (parseMicro(text) === null) throw new InvalidArgumentError('want an amount such as 12.50, with at most six places.')
  return text.trim()
}

export function amount(text: string): string {
  if (text.trim().startsWith('-')) throw new InvalidArgumentError('want an amount that is not negative.')
  return signedAmount(text)
}

export function onOff(text: string): boolean {
  if (text !== 'on' && text !== 'off') throw new InvalidArgumentError('want on or off.')
  return text === 'on'
}

/** A comma list that may be repeated, or none. */
function names(text: string, before: OrNone<string[]> | undefined): OrNone<string[]> {
  if (TAKEN_AWAY.has(text.trim().toLowerCase())) return NONE
  const list = splitList(text)
  if (list.length === 0) throw new InvalidArgumentError('want a list such as a,b, or none.')
  return [...(before === NONE ? [] : (before ?? [])), ...list]
}

export function rightWords(text: string, before: string[] | undefined): string[] {
  const words = splitList(text)
  const wrong = words.find((word) => rightsOf(word) === null)
  if (wrong !== undefined || words.length === 0) {
    throw new InvalidArgumentError(
      `"${wrong ?? text}" is no right; known are chat, tts, image, whisper, all, observe, manage:<service>, use:<service>.`,
    )
  }
  return [...(before ?? []), ...words]
}

export const splitList = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '')
