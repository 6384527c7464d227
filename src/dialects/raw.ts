import type { Readable } from 'node:stream'
import { ollamaReader } from './ollama/usage.ts'
import type { Plan } from './plan.ts'

export interface RawRequest {
  readonly method: string
  /** The table's literal path, with `:name` where a parameter goes. */
  readonly upstream: string
  readonly params: Readonly<Record<string, string>>
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | Readable | null
}

/** The same protocol on both sides. Parameters have passed their expression and are encoded by us, so none can leave its segment. */
export function rawPath({ upstream, params, query }: Pick<RawRequest, 'upstream' | 'params' | 'query'>): string {
  const path = upstream.includes(':')
    ? upstream.replaceAll(/(?<=\/):([a-z][a-z0-9_]*)/g, (_whole, name: string) =>
        encodeURIComponent(params[name] ?? '').replaceAll('%3A', ':'),
      )
    : upstream
  return query === '' ? path : `${path}?${query}`
}

export function rawPlan(request: RawRequest, dialect: string): Plan {
  const { method, headers, body } = request
  const sent = { method, path: rawPath(request), headers, body }
  return dialect === 'ollama' && method !== 'HEAD' ? { request: sent, reader: ollamaReader } : { request: sent }
}
