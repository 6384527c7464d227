import pc from 'picocolors'
import type { EndpointView } from '../contract/index.ts'
import { visible } from '../kernel/index.ts'
import { Columns, type Paint } from './key-columns.ts'
import { budgetText, details, when } from './key-print.ts'
import type { TableWords } from './paged-list.ts'

export function endpointText(endpoint: EndpointView, nowMs: number): string {
  return details([
    ['id', endpoint.id],
    ['name', endpoint.name],
    ['url', visible(endpoint.url)],
    ['dialect', endpoint.dialect],
    ['speaks', endpoint.speaks.join(' ')],
    ['state', stateColour('STATE', stateOf(endpoint))?.(stateOf(endpoint)) ?? stateOf(endpoint)],
    ['note', noteOf(endpoint)],
    ['key', endpoint.has_key ? 'kept sealed' : 'none'],
    ['limits', limitsText(endpoint) || 'none'],
    ['priority', `${endpoint.priority}`],
    ['on leaving', endpoint.abort === 'drain' ? 'read to its end' : 'cancelled'],
    ['remote', endpoint.remote === 'allow' ? 'callers may name what is fetched from elsewhere' : ''],
    ['models', modelsText(endpoint)],
    ['created', when(endpoint.created_at, nowMs) ?? 'configured in portcullis.yaml'],
  ])
}

function stateOf({ active, note }: EndpointView): string {
  if (!active) return 'disabled'
  return note === '' ? 'active' : 'cannot serve'
}

const noteOf = ({ note }: EndpointView): string => visible(note)

const COLOURS: Readonly<Record<string, (text: string) => string>> = { active: pc.green, disabled: pc.red, 'cannot serve': pc.yellow }
const stateColour: Paint = (column, text) => (column === 'STATE' ? (COLOURS[text] ?? null) : null)

/** What an endpoint and a model have alike. */
type Limited = Pick<EndpointView, 'rpm' | 'per_day' | 'concurrency' | 'tokens_per_minute' | 'budget_day' | 'budget_month'>

export function limitsText(limits: Limited): string {
  const { rpm, per_day, concurrency, tokens_per_minute } = limits
  const parts = [
    rpm === null ? '' : `${rpm}/min`,
    per_day === null ? '' : `${per_day}/day`,
    tokens_per_minute === null ? '' : `${tokens_per_minute} tokens/min`,
    budgetText(limits),
    concurrency === 0 ? '' : `${concurrency} at a time`,
  ]
  return parts.filter((part) => part !== '').join(', ')
}

const modelsText = ({ models, discover }: EndpointView): string => `${models}${discover ? ', appearing by themselves' : ''}`

const COLUMNS: Readonly<Record<string, (endpoint: EndpointView) => string>> = {
  NAME: ({ name }) => name,
  STATE: stateOf,
  DIALECT: ({ dialect }) => dialect,
  URL: ({ url }) => visible(url),
  KEY: ({ has_key }) => (has_key ? 'yes' : 'none'),
  LIMITS: (endpoint) => limitsText(endpoint) || 'none',
  PRIORITY: ({ priority }) => String(priority),
  MODELS: ({ models }) => String(models),
}

/** The table of `endpoint list`, written page by page, with what keeps an endpoint from serving under its row. */
export function endpointTable(): TableWords<EndpointView> {
  const columns = new Columns(Object.keys(COLUMNS), stateColour)
  return {
    none: 'No endpoints: every service of the gate is switched off. Make one with: portcullis endpoint add NAME --url ADDRESS',
    more: (shown) => `${pc.dim(`the first ${shown}; --limit shows more`)}\n`,
    table: {
      page: (endpoints) => {
        const notes = endpoints.filter(({ note }) => note !== '').map((endpoint) => `${endpoint.name}: ${noteOf(endpoint)}`)
        return [columns.page(endpoints.map((endpoint) => Object.values(COLUMNS).map((cell) => cell(endpoint)))), ...notes].join('\n')
      },
    },
  }
}
