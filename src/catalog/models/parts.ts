import { isEndpointToTell } from '../../contract/index.ts'
import { type Clock, GatewayError } from '../../kernel/index.ts'
import type { Sealer } from '../../secrets/index.ts'
import type { Endpoint } from '../model.ts'
import type { Book } from './book.ts'
import { orMeant } from './rules.ts'
import type { CatalogStore } from './store.ts'

/** The part of the operations log that this room writes to; pino's loggers fit. */
export interface CatalogLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What the pieces of the catalog share. */
export interface CatalogParts {
  readonly book: Book
  readonly store: CatalogStore
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: CatalogLog
  /** Runs changes one after another, so that what is in memory and what is in the store cannot cross over. */
  readonly inTurn: <T>(change: () => Promise<T>) => Promise<T>
  /** After a change of endpoints. */
  readonly changed: () => void
}

export function turnstile(): CatalogParts['inTurn'] {
  let last: Promise<unknown> = Promise.resolve()
  return (change) => {
    const mine = last.then(change, change)
    last = mine.catch(() => undefined)
    return mine
  }
}

/** What is wanted of a list: those that are switched off too, so many, and after which name. */
export interface PageWanted {
  readonly all?: boolean
  readonly limit?: number
  readonly after?: string
}

export interface Page<T> {
  readonly items: readonly T[]
  /** The name that the next page comes after; null on the last one. */
  readonly next: string | null
}

export function pageOf<T extends { readonly name: string; readonly active: boolean }>(
  sorted: readonly T[],
  { all = false, after = '' }: PageWanted,
  limit: number,
): Page<T> {
  const found: T[] = []
  for (const item of sorted) {
    if (item.name <= after || !(all || item.active)) continue
    if (found.length === limit) return { items: found, next: found.at(-1)?.name ?? null }
    found.push(item)
  }
  return { items: found, next: null }
}

function unknownEndpoint(book: Book, name: string): string {
  const names = book.endpoints().map((endpoint) => endpoint.name)
  const where = name.startsWith('builtin:') ? ' among the services of the gate that are enabled' : ''
  if (!isEndpointToTell(name)) return 'There is no endpoint of this name or id'
  return `There is no endpoint "${name}"${where}${orMeant(name, names)}`
}

/** The endpoint that somebody names in a path. */
export function findEndpoint(book: Book, name: string): Endpoint {
  const endpoint = book.endpointNamed(name)
  if (endpoint === undefined) throw new GatewayError('NOT_FOUND', { detail: unknownEndpoint(book, name) })
  return endpoint
}

/** The endpoint that somebody names in a body. */
export function endpointMeant(book: Book, name: string): Endpoint {
  const endpoint = book.endpointNamed(name)
  if (endpoint === undefined) throw new GatewayError('BODY_INVALID', { detail: unknownEndpoint(book, name), reason: 'no such endpoint' })
  return endpoint
}

export const isBuiltin = ({ ref }: Pick<Endpoint, 'ref'>): boolean => ref.startsWith('builtin:')
