import type { EditKeyInput } from '../contract/index.ts'
import { isNetworkName } from '../http/index.ts'
import { GatewayError, LIMITS, parseRate, type Right, rightsOf } from '../kernel/index.ts'
import type { AllowanceRow } from './allowance.ts'
import type { TermsRow } from './terms.ts'

/** What people write about limits and reach, judged and turned into columns. What they did not say is not there. */

export type Spending = Pick<EditKeyInput, 'tokens_per_minute' | 'budget_day' | 'budget_month'>
export type AllowanceWish = Pick<EditKeyInput, 'rate' | 'concurrency'> & Spending
export type Reach = Pick<EditKeyInput, 'models' | 'networks' | 'log_content'>

export function allowanceColumns(wish: AllowanceWish): Partial<AllowanceRow> {
  refuseHugeRate(wish.rate ?? null)
  return defined<AllowanceRow>({
    rate: wish.rate,
    concurrency: wish.concurrency,
    tokens_per_minute: wish.tokens_per_minute,
    budget_day_micro: wish.budget_day,
    budget_month_micro: wish.budget_month,
  })
}

export function reachColumns({ models, networks, log_content }: Reach): Partial<TermsRow> {
  for (const name of networks ?? []) {
    if (isNetworkName(name)) continue
    throw new GatewayError('BODY_INVALID', {
      detail: `"${name}" is no network; want an address, a range such as 10.0.0.0/8 or 2001:db8::/32, private or cloudflare`,
    })
  }
  return defined<Pick<TermsRow, 'models' | 'networks' | 'log_content'>>({
    models: listText(models),
    networks: listText(networks),
    log_content: log_content === undefined ? undefined : log_content ? 1 : 0,
  })
}

/** The words as rights, without repetition, in the order they were given. */
export function parseRights(words: readonly string[]): readonly Right[] {
  const rights = new Set<Right>()
  for (const word of words) {
    const meant = rightsOf(word)
    if (!meant) {
      throw new GatewayError('BODY_INVALID', {
        detail: `"${word}" is no right; known are chat, tts, image, whisper, all, text, embedding, speech, transcription, observe, manage:<service> and use:<service>`,
      })
    }
    for (const right of meant) rights.add(right)
  }
  if (rights.size === 0) throw new GatewayError('BODY_INVALID', { detail: 'A key needs at least one right' })
  return [...rights]
}

/** An exact window remembers each call in it, so a count that no memory could hold is refused with a way out. */
function refuseHugeRate(text: string | null): void {
  if (text === null) return
  const rate = parseRate(text)
  if (!rate) throw new GatewayError('BODY_INVALID', { detail: `"${text}" is no rate; want 60/m, 1000/h or 5000/d` })
  if (rate.count > LIMITS.rateCountMax) {
    throw new GatewayError('BODY_INVALID', { detail: `A rate counts at most ${LIMITS.rateCountMax} calls; say ${text} in a shorter unit` })
  }
}

const listText = (list: readonly string[] | null | undefined): string | null | undefined => list && JSON.stringify([...new Set(list)])

/** Only what was said: an update must not touch the other columns. */
export function defined<Row>(columns: { readonly [Column in keyof Row]: Row[Column] | undefined }): Partial<Row> {
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined)) as Partial<Row> // the same columns, fewer of them
}
