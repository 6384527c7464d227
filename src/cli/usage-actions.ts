import {
  type RequestDetail,
  type RequestView,
  requestDetail,
  type UsageAnswer,
  type UsageRequestsAnswer,
  type UsageSkipAnswer,
  usageAnswer,
  usageRequestsAnswer,
  usageSkipAnswer,
} from '../contract/index.ts'
import { LIMITS } from '../kernel/index.ts'
import { type AdminClient, ask } from './key-client.ts'
import { EXIT, Exit } from './terminal.ts'

const USAGE = '/admin/api/usage'

export interface SummaryFlags {
  readonly by: string
  readonly from?: string
  readonly to?: string
}

export interface RequestFlags {
  readonly user?: string
  readonly key?: string
  readonly model?: string
  readonly limit?: number
}

export function usageSummary(client: AdminClient, { by, from, to }: SummaryFlags): Promise<UsageAnswer> {
  return ask(client, usageAnswer, 'GET', `${USAGE}?${queryOf({ by, from, to })}`)
}

/** Every row, in the order of ids, page after page. */
export async function* summaryPages(client: AdminClient, { by, from, to }: SummaryFlags): AsyncGenerator<UsageAnswer> {
  for (let after: string | undefined = undefined, more = true; more; ) {
    const page: UsageAnswer = await ask(client, usageAnswer, 'GET', `${USAGE}?${queryOf({ by, from, to, order: 'id', after })}`)
    after = page.rows.at(-1)?.id
    more = page.more > 0 && after !== undefined
    yield page
  }
}

/** Page after page, newest first, so that neither the gateway nor this process ever holds all of many at once. */
export async function* requestPages(
  client: AdminClient,
  { limit = Number.POSITIVE_INFINITY, ...which }: RequestFlags,
): AsyncGenerator<readonly RequestView[]> {
  let left = limit
  for (let before: string | undefined | null = undefined; before !== null && left > 0; ) {
    const query = queryOf({ ...which, limit: String(Math.min(left, LIMITS.usageRequestsMax)), before })
    const page: UsageRequestsAnswer = await ask(client, usageRequestsAnswer, 'GET', `${USAGE}/requests?${query}`)
    left -= page.requests.length
    before = page.next
    yield page.requests
  }
}

export function showRequest(client: AdminClient, id: string): Promise<RequestDetail> {
  const text = id.trim()
  if (!/^req_[0-9A-Za-z]{1,32}$/.test(text))
    throw new Exit(EXIT.usage, 'The id of a request begins with req_; answers have it in x-request-id')
  return ask(client, requestDetail, 'GET', `${USAGE}/requests/${text}`)
}

export const skipGap = (client: AdminClient): Promise<UsageSkipAnswer> => ask(client, usageSkipAnswer, 'POST', `${USAGE}/skip`, {})

function queryOf(fields: Readonly<Record<string, string | undefined>>): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) query.set(name, value)
  return query
}
