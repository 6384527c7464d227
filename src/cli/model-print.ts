import pc from 'picocolors'
import type { ModelView } from '../contract/index.ts'
import { visible } from '../kernel/index.ts'
import { limitsText } from './endpoint-print.ts'
import { Columns, type Paint } from './key-columns.ts'
import { details, when } from './key-print.ts'
import { placesText } from './model-change.ts'
import type { TableWords } from './paged-list.ts'

export function modelText(model: ModelView, nowMs: number): string {
  const state = stateOf(model)
  return details([
    ['name', model.name],
    ['for', model.capability],
    ['state', COLOURS[state]?.(state) ?? state],
    ['price', priceText(model)],
    ['limits', limitsText(model) || 'none'],
    ['at', visible(placesText(model)) || 'nowhere'],
    ['fallback', model.fallback ?? 'none'],
    ['options', Object.keys(model.options).length === 0 ? '' : visible(JSON.stringify(model.options))],
    [model.discovered ? 'seen since' : 'created', when(model.created_at, nowMs) ?? ''],
  ])
}

function stateOf({ active, discovered, endpoints }: ModelView): string {
  if (!active) return 'disabled'
  if (discovered) return 'discovered'
  return endpoints.length === 0 ? 'nowhere' : 'active'
}

const COLOURS: Readonly<Record<string, (text: string) => string>> = {
  active: pc.green,
  disabled: pc.red,
  discovered: pc.cyan,
  nowhere: pc.yellow,
}
const stateColour: Paint = (column, text) => (column === 'STATE' ? (COLOURS[text] ?? null) : null)

const PER: Readonly<Record<string, string>> = {
  token: 'a million tokens',
  character: 'a million characters',
  image: 'an image',
  minute: 'a minute',
  request: 'a request',
}
const FREE = '0.00'

export function priceText({ unit, price_in, price_out }: ModelView): string {
  const parts = [price_in === FREE ? '' : `${price_in} in`, price_out === FREE ? '' : `${price_out} out`].filter((part) => part !== '')
  return parts.length === 0 ? 'free' : `${parts.join(', ')} for ${PER[unit] ?? unit}`
}

const COLUMNS: Readonly<Record<string, (model: ModelView) => string>> = {
  NAME: ({ name }) => visible(name),
  FOR: ({ capability }) => capability,
  STATE: stateOf,
  PRICE: priceText,
  LIMITS: (model) => limitsText(model) || 'none',
  AT: (model) => visible(placesText(model)),
  FALLBACK: ({ fallback }) => visible(fallback ?? ''),
}

/** The table of `model list`, written page by page. */
export function modelTable(): TableWords<ModelView> {
  const columns = new Columns(Object.keys(COLUMNS), stateColour)
  return {
    none: 'No models. While the gateway runs, those of the backends that answer appear by themselves; or: portcullis model add NAME --endpoint ENDPOINT=UPSTREAM',
    more: (shown) => `${pc.dim(`the first ${shown}; --limit shows more`)}\n`,
    table: { page: (models) => columns.page(models.map((model) => Object.values(COLUMNS).map((cell) => cell(model)))) },
  }
}
