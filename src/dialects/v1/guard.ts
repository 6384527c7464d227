import type { Protocol } from '../../catalog/index.ts'
import { foldKey, type TopLevelKey } from '../../http/index.ts'
import { clip, GatewayError, LIMITS, own } from '../../kernel/index.ts'
import type { ReadBody } from '../tokens.ts'
import { HEAD_CHARS, holdsAny, type Member, type NestedReader, NestedWalk } from './nested.ts'

/**
 * What a caller may not have done elsewhere on his word: a backend stands within the house, and a provider knows everybody by one key. An endpoint may be opened
 * to it (`remote`), and then this is not asked.
 */
export function refuseRemote({ bytes, keys }: Pick<ReadBody, 'bytes' | 'keys'>, protocol: Protocol): void {
  for (const key of keys) {
    const name = foldKey(key.name)
    const kind = own(OUTERMOST, name)
    if (kind !== undefined && !SAYS_NOTHING.test(bytes.toString('latin1', key.start, Math.min(key.end, key.start + WORD_BYTES))))
      throw refusal(kind, name)
    // A prompt that is an object is one that is kept at the provider, with the tools that were configured with it.
    if (name === 'prompt' && protocol === 'responses' && bytes[key.start] === OBJECT) throw refusal('kept', name)
    const member = { name, within: '' }
    if (READER.skips(member)) continue
    const reader = name === 'input' && protocol === 'responses' ? ITEMS : READER
    if (isSuspect(bytes, key, name, reader)) new NestedWalk(bytes, key.start, reader).read(member)
  }
}

/**
 * Fields of a form. `url[]`, `image[0]` and `x[url]` are lists and members in a form, so each part of a name is judged; and because backends name such fields as
 * they like, an address is refused in every field but those that a model reads or nobody looks into.
 */
export function refuseRemoteFields(fields: Iterable<readonly [name: string, value: string]>): void {
  for (const [spelled, value] of fields) {
    const name = foldKey(spelled)
    const parts = name.split(PARTS_OF_NAME)
    const head = value.slice(0, HEAD_CHARS)
    for (const part of parts) READER.text({ name: part, within: '' }, head)
    if (!PROSE.has(parts[0] ?? '') && holdsAddress(value)) throw refusal('address', name)
  }
}

type Kind = 'address' | 'search' | 'kept' | 'server' | 'tool' | 'route' | 'later'

const ASK = 'or ask for an endpoint that allows it'
const SENTENCES: Readonly<Record<Kind, (name: string) => string>> = {
  address: (name) => `"${name}" names an address for the backend to fetch; send what is there as a data: URI, ${ASK}`,
  search: (name) => `"${name}" has the provider search elsewhere; leave it out, ${ASK}`,
  kept: (name) => `"${name}" names what is kept at the provider for all who share its account; send its content instead, ${ASK}`,
  server: (name) => `"${name}" names a server for the provider to connect to; leave it out, ${ASK}`,
  route: (name) =>
    `"${name}" has the provider choose among models or providers, and this key is for the model it names; leave it out, ${ASK}`,
  later: (name) => `"${name}" has the provider work on when the answer is over, uncounted; leave it out, ${ASK}`,
  tool: (name) =>
    `"tools" holds ${name}, which the provider would run itself; only tools that the caller runs pass here. Leave it out, ${ASK}`,
}

function refusal(kind: Kind, name: string): GatewayError {
  return new GatewayError('POLICY_REFUSED', {
    detail: SENTENCES[kind](clip(name, LIMITS.nameCharsMax)),
    reason: `remote content: ${kind}`, // the ledger holds nothing of bodies
    hints: { param: kind === 'tool' ? 'tools' : clip(name, LIMITS.nameCharsMax) },
  })
}

/** By their outermost name alone, unless they say nothing. */
const OUTERMOST: Readonly<Record<string, Kind>> = {
  previous_response_id: 'kept',
  conversation: 'kept',
  container: 'kept',
  mcp_servers: 'server',
  api_base: 'server',
  data_sources: 'server',
  web_search_options: 'search',
  search_parameters: 'search',
  enable_search: 'search',
  plugins: 'search',
  background: 'later',
  models: 'route',
  fallbacks: 'route',
  route: 'route',
  provider: 'route',
  preset: 'route',
  model_list: 'route',
  user_config: 'route',
  custom_llm_provider: 'route',
}
const SAYS_NOTHING = /^(?:null|false|""|\[\s*\])\s*$/
const WORD_BYTES = 64
const OBJECT = 0x7b

/** Wherever they stand, where their value is a text or a list of texts. */
const ANYWHERE: Readonly<Record<string, Kind>> = {
  file_id: 'kept',
  file_ids: 'kept',
  vector_store_ids: 'kept',
  connector_id: 'server',
  server_url: 'server',
}

/** Where content is meant, and some backends take an address as well. */
const CONTENT: ReadonlySet<string> = new Set(['image', 'images', 'video', 'videos', 'audio', 'mask', 'file', 'file_data', 'data'])
/** `mask_image`, `reference_image`, `ref_audio`, and what the next one will be called. */
const CONTENT_END = /_(?:image|video|audio|mask)s?$/
const isContentName = (name: string): boolean => CONTENT.has(name) || CONTENT_END.test(name)
/** `data` is also what a document says. */
const isContent = ({ name, within }: Member): boolean => isContentName(name) && (name !== 'data' || within === 'input_audio')
const isAddressName = (name: string): boolean => /ur[li]s?$/.test(name)

/** What a program wrote, or a schema of what it is to write: no backend looks into it for more than a model to read. */
const OPAQUE: ReadonlySet<string> = new Set([
  'parameters',
  'input_schema',
  'schema',
  'json_schema',
  'guided_json',
  'structured_outputs',
  'arguments',
  'metadata',
  'annotations',
  'citations',
])

/** Whoever asks runs them himself, and tells the model what came of it; all others are run by the provider. */
const TOOL_OF_CALLERS = /^(?:function|custom|local_shell|apply_patch|computer_use_preview|(?:bash|text_editor|computer|memory)_\d{8})$/
const REFERENCE = 'item_reference'

const READER: NestedReader = {
  // The outermost `input` is what is asked; any other is what a tool was called with.
  skips: ({ name, within }) => OPAQUE.has(name) || (name === 'input' && within !== ''),
  reads: (member) => isAddressName(member.name) || isContent(member) || isToolName(member) || own(ANYWHERE, member.name) !== undefined,
  text(member, head) {
    const { name } = member
    const kind = own(ANYWHERE, name)
    if (kind !== undefined && head !== '') throw refusal(kind, name)
    if (isToolName(member) && !TOOL_OF_CALLERS.test(head)) throw refusal('tool', `"${clip(head, LIMITS.nameCharsMax)}"`)
    if (head.startsWith('data:')) return
    if (isAddressName(name) && head !== '') throw refusal('address', name)
    if (isContent(member) && beginsAsAddress(head)) throw refusal('address', name)
  },
  object({ name }, names) {
    // A provider may know tools by another name than their type.
    if (name !== 'tools' || NAMED.some((one) => names.has(one)) || [...names].every((one) => UNNAMED.has(one))) return
    throw refusal('tool', 'one without a name')
  },
}

const isToolName = ({ name, within }: Member): boolean => name === 'tools' || (name === 'type' && within === 'tools')
const NAMED = ['name', 'function', 'custom'] as const
/** All that those have which need no name. */
const UNNAMED: ReadonlySet<string> = new Set(['type', 'display_width', 'display_height', 'environment'])

/** Those who read addresses take no notice of these, wherever they stand. */
const UNSEEN = /[\s\p{Cc}]+/gu
const SCHEME = /^[a-z][a-z0-9+.-]*:/i
/** Many of these and little else may push an address out of a beginning. Those beyond ASCII are halves of letters there. */
const PADDING = /[\0- \x7f]/g
const PADDING_MAX = 16
const BARE_CHARS_MIN = 64

function beginsAsAddress(head: string): boolean {
  const bare = head.replace(UNSEEN, '')
  return SCHEME.test(bare) || (bare.length < BARE_CHARS_MIN && head.length - head.replace(PADDING, '').length > PADDING_MAX)
}

const PARTS_OF_NAME = /[[\].]+/
/** Fields of forms that a model reads or that are told to nobody's fetcher; that of the model is written anew. */
const PROSE: ReadonlySet<string> = new Set([
  'model',
  'prompt',
  'negative_prompt',
  'initial_prompt',
  'instructions',
  'hotwords',
  'text',
  'input',
  'user',
  'metadata',
])
/** Not a colon alone, as in `lora:0.8`. Anywhere, for a value may be a list. */
const ADDRESS = /^(?:https?|ftps?|wss?|file|blob):|[a-z0-9+.-]:[\\/]/i
const holdsAddress = (value: string): boolean => !value.startsWith('data:') && ADDRESS.test(value.replace(UNSEEN, ''))

/** What is asked over /v1/responses: a list of items, each of which may be a reference to one that is kept. */
const ITEMS: NestedReader = {
  skips: READER.skips,
  reads: (member) => member.name === 'type' || READER.reads(member),
  text(member, head) {
    if (member.name === 'type' && head === REFERENCE) throw refusal('kept', REFERENCE)
    READER.text(member, head)
  },
  object(member, names) {
    const isItem = member.name === 'input' && member.within === ''
    if (isItem && names.has('id') && !names.has('type') && !names.has('role')) throw refusal('kept', 'id')
    READER.object(member, names)
  },
}

const isSuspectName = (name: string): boolean =>
  name === 'tools' || name === 'data' || isContentName(name) || isAddressName(name) || own(ANYWHERE, name) !== undefined
const isSuspectInItem = (name: string): boolean => name === 'id' || isSuspectName(name)

/** Cheaper than to walk, for most bodies have nothing of the kind. */
function isSuspect(bytes: Buffer, { start, end }: TopLevelKey, name: string, reader: NestedReader): boolean {
  if (isSuspectName(name)) return true
  return reader === ITEMS ? holdsAny(bytes, start, end, isSuspectInItem, REFERENCE) : holdsAny(bytes, start, end, isSuspectName, null)
}
