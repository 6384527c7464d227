import { isNetworkName } from '../http/index.ts'
import { own } from '../kernel/index.ts'

/** How a setting's text or YAML value becomes what the house uses. Answers `{ wrong }` with how to mend it. */
export type Parsed<T> = { readonly value: T } | { readonly wrong: string }
export type Parser<T> = (raw: unknown) => Parsed<T>

const ok = <T>(value: T): Parsed<T> => ({ value })
const wrong = <T>(text: string): Parsed<T> => ({ wrong: text })

export const text: Parser<string> = (raw) =>
  typeof raw === 'string' && raw.trim() !== '' ? ok(raw.trim()) : wrong('want a text that is not empty')

export const optionalText: Parser<string | null> = (raw) => (raw === null || raw === '' ? ok(null) : text(raw))

export const oneOf =
  <T extends string>(...choices: readonly T[]): Parser<T> =>
  (raw) => {
    const found = choices.find((choice) => choice === String(raw).toLowerCase())
    return found === undefined ? wrong(`want one of ${choices.join(', ')}`) : ok(found)
  }

export const integer =
  (min: number, max: number): Parser<number> =>
  (raw) => {
    const number = typeof raw === 'number' ? raw : /^\d+$/.test(String(raw)) ? Number(raw) : Number.NaN
    return Number.isInteger(number) && number >= min && number <= max ? ok(number) : wrong(`want a whole number from ${min} to ${max}`)
  }

export const flag: Parser<boolean> = (raw) => {
  const word = String(raw).toLowerCase()
  if (['true', 'yes', 'on', '1'].includes(word)) return ok(true)
  if (['false', 'no', 'off', '0'].includes(word)) return ok(false)
  return wrong('want true or false')
}

const DURATION_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

export const duration: Parser<number> = (raw) => {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(String(raw).trim())
  const unit = match?.[2] as keyof typeof DURATION_MS | undefined // the expression admits only these
  const ms = unit === undefined ? Number.NaN : Number(match?.[1]) * DURATION_MS[unit]
  return ms > 0 ? ok(ms) : wrong('want a duration with its unit, such as 500ms, 30s, 10m or 1h')
}

/** 0 stands for off. */
export const durationOrOff: Parser<number> = (raw) => (raw === false || /^(?:off|0)$/i.test(String(raw)) ? ok(0) : duration(raw))

const SIZE_BYTES = { b: 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 } as const

export const size: Parser<number> = (raw) => {
  const match = /^(\d+)\s*(b|kib|mib|gib)$/i.exec(String(raw).trim())
  const unit = match?.[2]?.toLowerCase() as keyof typeof SIZE_BYTES | undefined // the expression admits only these
  const bytes = unit === undefined ? 0 : Number(match?.[1]) * SIZE_BYTES[unit]
  return bytes > 0 ? ok(bytes) : wrong('want a size with its unit, such as 64KiB, 32MiB or 1GiB')
}

export const sizeUpTo =
  (max: number): Parser<number> =>
  (raw) => {
    const read = size(raw)
    return 'value' in read && read.value > max ? wrong(`want no more than ${max / SIZE_BYTES.mib}MiB`) : read
  }

export const httpUrl: Parser<string> = (raw) => {
  try {
    const url = new URL(String(raw))
    const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
    if (plain && (url.protocol === 'http:' || url.protocol === 'https:')) return ok(url.href.replace(/\/+$/, ''))
  } catch {
    // said below
  }
  return wrong('want an http:// or https:// address without credentials or query, such as http://127.0.0.1:11434')
}

export const networks: Parser<readonly string[]> = (raw) => {
  const names = list(raw)
  const bad = names.find((name) => !isNetworkName(name))
  return bad === undefined
    ? ok(names)
    : wrong(`"${bad}" is not a network: want a CIDR such as 10.0.0.0/8, an address, private or cloudflare`)
}

const ORIGIN = /^https?:\/\/[^/?#\s@]+$/

export const origins: Parser<readonly string[]> = (raw) => {
  const names = list(raw).map((name) => name.toLowerCase())
  const bad = names.find((name) => name !== '*' && !ORIGIN.test(name))
  return bad === undefined
    ? ok(names)
    : wrong(
        `"${bad}" is no origin: want *, or what a browser calls a page's origin, such as https://chat.example.org, without a slash at its end`,
      )
}

export const prefix: Parser<string> = (raw) =>
  /^\/[a-z0-9][a-z0-9-]{0,31}$/.test(String(raw)) ? ok(String(raw)) : wrong('want one path segment in lower case, such as /rerank')

export const headerName: Parser<string | null> = (raw) => {
  if (raw === null || raw === '') return ok(null)
  return /^[A-Za-z0-9-]{1,64}$/.test(String(raw))
    ? ok(String(raw).toLowerCase())
    : wrong('want the name of a header, such as Authorization')
}

export const lines: Parser<readonly string[]> = (raw) => ok(list(raw, ';'))

/** A YAML list, or one text with separators from the environment. */
function list(raw: unknown, separator = ','): string[] {
  const parts = Array.isArray(raw) ? raw.map(String) : String(raw ?? '').split(separator)
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LEVELS)[number]
/** Python's names, which the gateway's forerunner took. */
const PYTHON_LEVELS: Readonly<Record<string, LogLevel>> = { warning: 'warn', critical: 'fatal', notset: 'trace' }

export const logLevel: Parser<LogLevel> = (raw) => {
  const word = String(raw).toLowerCase()
  return oneOf(...LEVELS)(own(PYTHON_LEVELS, word) ?? word)
}
