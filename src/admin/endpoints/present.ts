import type { EndpointInfo, Page } from '../../catalog/index.ts'
import type { EndpointView, ListEndpointsAnswer } from '../../contract/index.ts'
import { maybeMoney, maybeTime } from '../texts.ts'

/** Of a provider's key only whether there is one. */
export const presentEndpoint = (endpoint: EndpointInfo): EndpointView => ({
  id: endpoint.id,
  name: endpoint.name,
  url: endpoint.url,
  dialect: endpoint.dialect,
  speaks: [...endpoint.speaks],
  has_key: endpoint.hasKey,
  rpm: endpoint.rpm,
  per_day: endpoint.perDay,
  tokens_per_minute: endpoint.tokensPerMinute,
  budget_day: maybeMoney(endpoint.budgetDayMicro),
  budget_month: maybeMoney(endpoint.budgetMonthMicro),
  concurrency: endpoint.concurrency,
  priority: endpoint.priority,
  abort: endpoint.abort,
  remote: endpoint.remote,
  discover: endpoint.discover,
  active: endpoint.active,
  builtin: endpoint.builtin,
  models: endpoint.models,
  note: endpoint.note,
  created_at: maybeTime(endpoint.createdMs),
})

export const presentEndpoints = ({ items, next }: Page<EndpointInfo>): ListEndpointsAnswer => ({
  endpoints: items.map(presentEndpoint),
  next,
})
