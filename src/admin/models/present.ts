import type { ModelInfo, Page } from '../../catalog/index.ts'
import type { ListModelsAnswer, ModelView } from '../../contract/index.ts'
import { formatMicro } from '../../kernel/index.ts'
import { maybeMoney, timeText } from '../texts.ts'

export const presentModel = (model: ModelInfo): ModelView => ({
  name: model.name,
  capability: model.capability,
  unit: model.price.unit,
  price_in: formatMicro(model.price.inMicro),
  price_out: formatMicro(model.price.outMicro),
  rpm: model.rpm,
  per_day: model.perDay,
  tokens_per_minute: model.tokensPerMinute,
  budget_day: maybeMoney(model.budgetDayMicro),
  budget_month: maybeMoney(model.budgetMonthMicro),
  concurrency: model.concurrency,
  endpoints: model.places.map(({ endpoint, upstream }) => ({ endpoint, upstream })),
  fallback: model.fallback,
  options: { ...model.options },
  active: model.active,
  discovered: model.discovered,
  created_at: timeText(model.createdMs),
})

export const presentModels = ({ items, next }: Page<ModelInfo>): ListModelsAnswer => ({ models: items.map(presentModel), next })
