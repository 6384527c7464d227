/** Money is counted in millionths of the operator's currency, as whole numbers: sums of them are exact in any order, below 2^53 of them. */
export const MICRO = 1_000_000
const WHOLE_MAX = 1_000_000_000
/** The largest amount there is. */
export const MICRO_MAX = WHOLE_MAX * MICRO

export const BILLING_UNITS = ['token', 'image', 'minute', 'character', 'request'] as const
export type BillingUnit = (typeof BILLING_UNITS)[number]

/** Micro-units for each `PER` of the unit: a million tokens or characters, one image, one minute, one request. */
export interface Price {
  readonly unit: BillingUnit
  readonly inMicro: number
  readonly outMicro: number
}

export const NO_PRICE: Price = Object.freeze({ unit: 'token', inMicro: 0, outMicro: 0 })

const AMOUNT = /^(-?)(\d{1,10})(?:\.(\d{1,6}))?$/

/** `12.50` as 12,500,000; null for what is no amount, is finer than a millionth or is above a thousand million. */
export function parseMicro(text: string): number | null {
  const [, sign = '', whole = '', fraction = ''] = AMOUNT.exec(text.trim()) ?? []
  if (whole === '' || Number(whole) > WHOLE_MAX) return null
  const micro = Number(whole) * MICRO + Number(fraction.padEnd(6, '0'))
  return sign === '-' && micro !== 0 ? -micro : micro
}

/** At least two places after the point, and no more than there are. */
export function formatMicro(micro: number): string {
  const [sign, abs] = micro < 0 ? ['-', -micro] : ['', micro]
  const fraction = String(abs % MICRO)
    .padStart(6, '0')
    .replace(/0{1,4}$/, '')
  return `${sign}${Math.floor(abs / MICRO)}.${fraction}`
}

/** What was used, by the names that the ledger has for it. */
type Used = Readonly<Record<string, number>>

const THOUSANDTHS = 1_000

/** A price for so many of a unit; where the unit is counted with fractions, such as seconds, they are told in thousandths. */
interface Rule {
  readonly in: string | null
  readonly out: string | null
  readonly per: number
}

const RULES: Readonly<Record<BillingUnit, Rule>> = {
  token: { in: 'tokens_in', out: 'tokens_out', per: 1_000_000 },
  character: { in: 'characters', out: null, per: 1_000_000 },
  image: { in: null, out: 'images', per: 1 },
  minute: { in: 'seconds', out: null, per: 60 },
  request: { in: null, out: null, per: 1 },
}

/** What a request costs in micro-units, rounded up once at its end: no request is for nothing because it is short. */
export function costOf({ unit, inMicro, outMicro }: Price, used: Used): number {
  if (inMicro === 0 && outMicro === 0) return 0
  if (unit === 'request') return inMicro + outMicro
  const rule = RULES[unit]
  const [asked, answered] = [thousandths(used, rule.in), thousandths(used, rule.out)]
  const per = rule.per * THOUSANDTHS
  const total = asked * inMicro + answered * outMicro
  // Whole numbers below 2^53 are exact, and so are their remainders; nearly every request is far below.
  if (total <= Number.MAX_SAFE_INTEGER) {
    const over = total % per
    return (total - over) / per + (over > 0 ? 1 : 0)
  }
  const exact = BigInt(asked) * BigInt(inMicro) + BigInt(answered) * BigInt(outMicro)
  return Number((exact + BigInt(per) - 1n) / BigInt(per))
}

function thousandths(used: Used, name: string | null): number {
  const amount = name === null ? 0 : (used[name] ?? 0)
  return amount > 0 && Number.isFinite(amount) ? Math.ceil(amount * THOUSANDTHS) : 0
}
