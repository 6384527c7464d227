import { own, type Right, reasonOf } from '../kernel/index.ts'
import { BUILTIN, builtinRoutes } from './builtin.ts'
import type { Route, Service, ServiceSettings } from './service.ts'

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])
const LINE = /^(?<method>[A-Z]+) (?<path>\/\S*)(?: -> (?<upstream>\/\S*))?$/
const SEGMENT = /^(?:[A-Za-z0-9._~-]+|:[a-z][a-z0-9_]*\{[^/]+\})$/
const UPSTREAM_SEGMENT = /^(?:[A-Za-z0-9._~@+=,-]+|:[a-z][a-z0-9_]*)$/

/** `POST /api/rerank -> /v1/rerank`; without an arrow the path is the same on both sides. Answers what is wrong as text. */
export function parseRouteLine(line: string): { method: string; path: string; upstream: string } | string {
  const { method = '', path = '', upstream } = LINE.exec(line.trim())?.groups ?? {}
  if (method === '') return `"${line}" is not "METHOD /path -> /path/on/the/backend"`
  if (!METHODS.has(method)) return `${method} is not a method that can be carried`
  const segments = path.split('/').slice(1)
  const wrong = segments.find((segment) => !SEGMENT.test(segment) || segment === '.' || segment === '..')
  if (wrong !== undefined) return `"${wrong}" in ${path} is neither a plain name nor a parameter with its expression, such as :id{[0-9]+}`
  const fault = faultInExpressions(segments)
  if (fault !== null) return `${fault} in ${path}`
  const names = new Set(segments.filter((segment) => segment.startsWith(':')).map((segment) => segment.slice(1).split('{')[0]))
  const target = upstream ?? path.replaceAll(/\{[^/]+\}/g, '')
  for (const segment of target.split('/').slice(1)) {
    if (segment === '' && target === '/') continue
    if (!UPSTREAM_SEGMENT.test(segment) || segment === '.' || segment === '..')
      return `"${segment}" in ${target} cannot stand in a path on the backend`
    if (segment.startsWith(':') && !names.has(segment.slice(1))) return `${segment} in ${target} is no parameter of ${path}`
  }
  return { method, path, upstream: target }
}

/** The router compiles all paths into one when the first request comes: a mistake in one of them would fail every request. */
function faultInExpressions(segments: readonly string[]): string | null {
  for (const segment of segments) {
    if (!segment.startsWith(':')) continue
    try {
      new RegExp(segment.slice(segment.indexOf('{') + 1, -1))
    } catch (error) {
      return `"${segment}" holds no expression (${reasonOf(error)})`
    }
  }
  return null
}

function configuredRoutes(settings: ServiceSettings): readonly Route[] {
  return settings.routeLines.map((line) => {
    const parsed = parseRouteLine(line)
    if (typeof parsed === 'string') throw new Error(`service ${settings.name}: ${parsed}`) // configuration was checked before
    const { method, path, upstream } = parsed
    return {
      method,
      path: `${settings.prefix}${path}`,
      right: `use:${settings.name}` as Right, // the name's shape is checked by configuration
      operation: 'raw',
      body: method === 'GET' || method === 'HEAD' ? 'none' : 'stream',
      upstream,
      query: true,
      bodyBytesMax: settings.bodyBytesMax,
    }
  })
}

const ERROR_SHAPES: Readonly<Record<string, Service['errors']>> = { chat: 'ollama', image: 'a1111' }

export function toService(settings: ServiceSettings): Service {
  const { routeLines: _lines, ...rest } = settings
  return {
    ...rest,
    abort: 'cancel',
    routes: Object.hasOwn(BUILTIN, settings.name) ? builtinRoutes(settings) : configuredRoutes(settings),
    errors: own(ERROR_SHAPES, settings.name) ?? 'problem',
  }
}
