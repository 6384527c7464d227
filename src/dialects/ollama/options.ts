import { type Edit, foldKey } from '../../http/index.ts'
import { isRecord } from '../fault.ts'
import { type InspectedBody, KNOWN } from './policy.ts'

const BODY_OPEN = 0x7b

/**
 * The edits of a body, and those that put in what a model gets where its caller says nothing: fields that Ollama has of its own at the top, all others among
 * its `options`. An administrator wrote them, so what callers may not ask for is not asked of them.
 */
export function withOllamaOptions(
  { edits, read: { bytes, keys, fields } }: InspectedBody,
  defaults: Readonly<Record<string, unknown>>,
): readonly Edit[] {
  const wanted = Object.keys(defaults)
  if (wanted.length === 0) return edits // as of nearly all models
  const top: Record<string, unknown> = {}
  const inner: Record<string, unknown> = {}
  for (const name of wanted) {
    if (NEVER.has(name)) continue
    if (!KNOWN.has(name)) inner[name] = defaults[name]
    else if (!keys.some((key) => key.name === name)) top[name] = defaults[name]
  }
  const span = keys.find(({ name }) => name === 'options')
  const hasInner = Object.keys(inner).length > 0
  if (span === undefined && hasInner) top.options = inner
  const made = [...edits]
  if (span !== undefined && hasInner) made.push(...optionsEdit(span, fields.options, inner))
  if (Object.keys(top).length > 0) {
    const open = bytes.indexOf(BODY_OPEN) + 1
    made.push({ start: open, end: open, text: joined(top, keys.length > 0) })
  }
  return made.sort((one, other) => one.start - other.start)
}

/** What a request is, and not how it is done. */
const NEVER: ReadonlySet<string> = new Set(['model', 'name', 'options'])

const joined = (fields: Readonly<Record<string, unknown>>, isFollowed: boolean): string =>
  `${JSON.stringify(fields).slice(1, -1)}${isFollowed ? ',' : ''}`

/** Where the caller has options of its own, only those beside them. */
function optionsEdit(
  { start, end }: { readonly start: number; readonly end: number },
  said: unknown,
  inner: Record<string, unknown>,
): readonly Edit[] {
  if (said === null) return [{ start, end, text: `${JSON.stringify(inner)} ` }]
  if (!isRecord(said)) return []
  const spoken = new Set(Object.keys(said).map(foldKey))
  const added = Object.fromEntries(Object.entries(inner).filter(([name]) => !spoken.has(foldKey(name))))
  if (Object.keys(added).length === 0) return []
  return [{ start: start + 1, end: start + 1, text: joined(added, spoken.size > 0) }]
}
