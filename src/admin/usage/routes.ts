import { Hono } from 'hono'
import { usageInput, usageRequestsInput } from '../../contract/index.ts'
import { type OwnerGuard, readInput } from '../../gate/index.ts'
import { type Clock, GatewayError } from '../../kernel/index.ts'
import type { RequestsWanted, SummaryWanted, Usage } from '../../usage/index.ts'
import { ok, reads, type Target, writes } from '../policy.ts'
import { presentDetail, presentRequests, presentSkip, presentSummary } from './present.ts'

export interface UsageRouteParts {
  readonly usage: Pick<Usage, 'summary' | 'requests' | 'request' | 'skip' | 'state'>
  readonly guard: OwnerGuard
  readonly clock: Clock
}

/**
 * What was used, to be mounted under /admin/api. Like every route of the owner's, each leaves an intent before it answers: who reads what was kept of a
 * request stands in the ledger with that request's id.
 */
export function usageRoutes({ usage, guard, clock }: UsageRouteParts): Hono {
  return new Hono()
    .get(
      '/usage',
      guard(reads('/usage'), async (c) => {
        const wanted = summaryWanted(c.req.query(), clock.nowMs())
        return ok(presentSummary(wanted, await usage.summary(wanted), usage.state()))
      }),
    )
    .get(
      '/usage/requests',
      guard(reads('/usage/requests'), async (c) => ok(presentRequests(await usage.requests(requestsWanted(c.req.query()))))),
    )
    .get(
      '/usage/requests/:id',
      guard(reads('/usage/requests/:id', targetOf), async (c) => {
        const found = await usage.request(idOf(c))
        if (found === null) throw new GatewayError('NOT_FOUND', { detail: 'There is no such request in the log, or not any more' })
        return ok(presentDetail(found))
      }),
    )
    .post(
      '/usage/skip',
      guard(writes('/usage/skip'), async () => ok(presentSkip(await usage.skip()))),
    )
}

const idOf: Target = (c) => c.req.param('id') ?? ''
/** What is no id is not found later, but the intent is written before that. */
const targetOf: Target = (c) => (REQUEST_SHAPE.test(idOf(c)) ? idOf(c) : '[not a request]')
const REQUEST_SHAPE = /^req_[0-9A-Za-z]{1,32}$/

const DAY_MS = 86_400_000
const DAYS_SHOWN = 30

function summaryWanted(query: object, nowMs: number): SummaryWanted {
  const dayAt = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
  const { by, from: first, to = dayAt(nowMs), order, after } = readInput(usageInput, query)
  const from = first ?? dayAt(Date.parse(to) - (DAYS_SHOWN - 1) * DAY_MS)
  if (from > to) throw new GatewayError('BODY_INVALID', { detail: `"from" (${from}) must not be later than "to" (${to})` })
  return { by, to, from, order, ...(after !== undefined && { after }) }
}

function requestsWanted(query: object): RequestsWanted {
  const { limit, before, user, key, model } = readInput(usageRequestsInput, query)
  return {
    limit,
    ...(before !== undefined && { before }),
    ...(user !== undefined && { user }),
    ...(key !== undefined && { key }),
    ...(model !== undefined && { model }),
  }
}
