import type { Random } from './random.ts'

type Row = readonly [method: string, path: string, right: string]

/** A backend, where the gate has its routes, and what a caller would try in their place. */
export interface SpellingHouse {
  /** What the gate has before each path of the backend; nothing where the paths are the same. */
  readonly prefix: string
  /** Where its paths begin at the gate. */
  readonly root: string
  readonly routes: readonly Row[]
  /** Other beginnings, and other routes to come through. */
  readonly roots: readonly string[]
  readonly through: readonly string[]
}

/** What Ollama serves, and the right that a key needs for each; `nobody` is what no key of any kind may reach. */
const OLLAMA_ROUTES: readonly Row[] = [
  ['POST', '/api/generate', 'text'],
  ['POST', '/api/chat', 'text'],
  ['POST', '/api/show', 'text'],
  ['GET', '/api/tags', 'text'],
  ['GET', '/api/ps', 'text'],
  ['GET', '/api/version', 'text'],
  ['POST', '/api/embed', 'embedding'],
  ['POST', '/api/embeddings', 'embedding'],
  ['POST', '/api/pull', 'manage:chat'],
  ['POST', '/api/push', 'manage:chat'],
  ['POST', '/api/create', 'manage:chat'],
  ['POST', '/api/copy', 'manage:chat'],
  ['DELETE', '/api/delete', 'manage:chat'],
  ['POST', `/api/blobs/sha256:${'0'.repeat(64)}`, 'manage:chat'],
  ['HEAD', `/api/blobs/sha256:${'0'.repeat(64)}`, 'manage:chat'],
  ['POST', '/api/me', 'nobody'],
  ['POST', '/api/signout', 'nobody'],
  ['DELETE', '/api/user/keys/1', 'nobody'],
  ['GET', '/api/status', 'nobody'],
  ['POST', '/api/experimental/web_fetch', 'nobody'],
  ['POST', '/v1/chat/completions', 'nobody'],
  ['GET', '/v1/models', 'nobody'],
  ['GET', '/debug/pprof/heap', 'nobody'],
  ['GET', '/', 'nobody'],
]

/** What servers of OpenAI's kind and the likes of vLLM, speaches and LocalAI serve, over the same paths as the gate. */
const V1_ROUTES: readonly Row[] = [
  ['POST', '/v1/chat/completions', 'text'],
  ['POST', '/v1/completions', 'text'],
  ['POST', '/v1/responses', 'text'],
  ['POST', '/v1/messages', 'text'],
  ['POST', '/v1/embeddings', 'embedding'],
  ['POST', '/v1/audio/speech', 'speech'],
  ['POST', '/v1/audio/transcriptions', 'transcription'],
  ['POST', '/v1/audio/translations', 'transcription'],
  ['POST', '/v1/images/generations', 'image'],
  ['POST', '/v1/images/edits', 'image'],
  ['GET', '/v1/models', 'nobody'],
  ['GET', '/v1/models/org/model', 'nobody'],
  ['POST', '/v1/models/org/model', 'nobody'],
  ['DELETE', '/v1/models/org/model', 'nobody'],
  ['POST', '/v1/audio/voices', 'nobody'],
  ['GET', '/v1/responses/resp_1', 'nobody'],
  ['DELETE', '/v1/responses/resp_1', 'nobody'],
  ['POST', '/v1/messages/batches', 'nobody'],
  ['POST', '/v1/files', 'nobody'],
  ['GET', '/v1/files', 'nobody'],
  ['POST', '/v1/fine_tuning/jobs', 'nobody'],
  ['GET', '/v1/realtime', 'nobody'],
  ['POST', '/v1/load_lora_adapter', 'nobody'],
  ['POST', '/v1/unload_lora_adapter', 'nobody'],
  ['POST', '/api/pull', 'nobody'],
  ['DELETE', '/api/delete', 'nobody'],
  ['POST', '/api/ps/m', 'nobody'],
  ['POST', '/models/apply', 'nobody'],
  ['POST', '/sleep', 'nobody'],
  ['GET', '/metrics', 'nobody'],
  ['GET', '/', 'nobody'],
]

export const OLLAMA_HOUSE: SpellingHouse = {
  prefix: '/chat',
  root: '/chat',
  routes: OLLAMA_ROUTES,
  roots: ['/tts', '/image', '/whisper', '/v1', '/admin', '/admin/api', '/console', '/health', '/CHAT', '/chat.', '/cha%74', '/./chat'],
  through: ['/chat/api/tags', '/chat/api/generate', '/chat/api/embed', '/health', '/chat'],
}

export const V1_HOUSE: SpellingHouse = {
  prefix: '',
  root: '/v1',
  routes: V1_ROUTES,
  roots: [
    '/chat',
    '/tts',
    '/admin',
    '/admin/api',
    '/console',
    '/health',
    '/v1/models',
    '/V1',
    '/v1.',
    '/%761',
    '/./v1',
    '/v1beta',
    '/v2',
    '/openai/v1',
  ],
  through: ['/v1/models', '/v1/models/m', '/v1/models/org%2Fm', '/v1/chat/completions', '/v1/audio/voices', '/health', '/v1'],
}

/** The right for what such a backend would do with this request: gin matches the decoded path, and HEAD is its own method. Null where it would do nothing. */
export function rightIn({ routes }: SpellingHouse, method: string, target: string): string | null {
  let path = target.split(/[?#]/)[0] ?? ''
  try {
    path = decodeURIComponent(path)
  } catch {
    // Go answers 400 to what it cannot decode.
    return null
  }
  return routes.find((row) => row[0] === method && row[1] === path)?.[2] ?? null
}

type Spell = (path: string, random: Random, house: SpellingHouse) => string

/** A random place between two characters, or at a slash. */
const at = (path: string, random: Random, insert: string): string => {
  const place = random.int(0, path.length)
  return path.slice(0, place) + insert + path.slice(place)
}
const atSlash = (path: string, random: Random, replace: string): string => {
  const slashes = [...path.matchAll(/\//g)].map(({ index }) => index)
  const place = slashes.length === 0 ? 0 : random.of(slashes)
  return path.slice(0, place) + replace + path.slice(place + 1)
}
const percent = (char: string): string => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`

/** Every trick of walking around a guard that is known to have worked somewhere. */
const SPELLS: Readonly<Record<string, Spell>> = {
  'a slash doubled': (path, random) => atSlash(path, random, '//'),
  'a slash encoded': (path, random) => atSlash(path, random, random.of(['%2f', '%2F', '%252f', '%25%32%66'])),
  'a slash of another alphabet': (path, random) =>
    atSlash(path, random, random.of(['%c0%af', '%ef%bc%8f', '%e2%88%95', '\\', '%5c', '%5C', '%255c'])),
  'a dot segment': (path, random) =>
    atSlash(
      path,
      random,
      random.of([
        '/./',
        '/../',
        '/x/../',
        '/.//',
        '/%2e/',
        '/%2e%2e/',
        '/x/%2e%2e/',
        '/.%2e/',
        '/..;/',
        '/;/',
        '/.;/',
        '/..%2f',
        '/%2e%2e%2f',
        '/..%5c',
        '/...',
        '/....//',
      ]),
    ),
  'a dot segment before all': (path, random) => random.of(['/x/..', '/./', '/tts/..', '/chat/..', '/health/..', '/x/%2e%2e', '/..']) + path,
  'letters encoded': (path, random) => [...path].map((char) => (char !== '/' && random.chance(0.3) ? percent(char) : char)).join(''),
  'letters encoded twice': (path, random) =>
    [...path].map((char) => (char !== '/' && random.chance(0.2) ? percent(char).replace('%', '%25') : char)).join(''),
  'all encoded': (path) => `/${[...path.slice(1)].map(percent).join('')}`,
  'another case': (path, random) => [...path].map((char) => (random.chance(0.3) ? char.toUpperCase() : char)).join(''),
  'a tail': (path, random) =>
    path +
    random.of([
      '/',
      '//',
      '/.',
      '/..',
      '.',
      '..',
      ';',
      ';a=b',
      '%20',
      '%09',
      '%00',
      '%0a',
      '%0d%0a',
      '%3f',
      '%23',
      '%2f',
      '.json',
      '/index',
      '~',
      '*',
      '%ff',
      '%c3%28',
      '%',
      '%4',
      '%zz',
      ':',
      '@',
      '&',
      '=',
      '+',
      ',',
      "'",
      '"',
      '<',
      '>',
      '`',
      '|',
      '{',
      '}',
      '^',
    ]),
  'something inside': (path, random) =>
    at(
      path,
      random,
      random.of([
        '%00',
        '%0a',
        '%09',
        '%20',
        ';',
        ';x=y',
        '%3b',
        '%7f',
        '%e2%80%8b',
        '%2e',
        '.',
        '%u002f',
        '%',
        '+',
        '*',
        '\t',
        '%01',
        '%1f',
        '%c2%a0',
        '%ad',
      ]),
    ),
  'a question': (path, random) => path + random.of(['?', '?x', '?/../', '?a=/api/delete', '#', '#x', '%3fx=1', '?%2f', '??']),
  'without the prefix': (path, _random, { root }) => (path.startsWith(root) ? path.slice(root.length) : path),
  'with the prefix twice': (path, _random, { root }) => `${root}${path}`,
  'below another prefix': (path, random, { root, roots }) =>
    path.startsWith(root) ? random.of([...roots, `${root};`, `${root}%20`]) + path.slice(root.length) : path,
  'as a whole URL': (path, random) =>
    `${random.of(['http://gate.test', 'HTTP://GATE.TEST', 'http://other', 'http://gate.test@other', 'https://gate.test', 'http://gate.test:80', '//gate.test', 'http:', 'http:/'])}${path}`,
  'through another route': (path, random, { through }) => `${random.of(through)}/..${random.of(['', '/..', '/../..'])}${path}`,
  'for a model': (path, random) =>
    `/v1/models/${random.of(['', 'm', '..', 'm/..', '%2e%2e', 'm%2F..'])}${random.chance(0.5) ? path : path.replaceAll('/', '%2F')}`,
  'as Go would clean it': (path, random) => path.replaceAll('/', () => random.of(['/', '/', '//', '/./'])),
}
const NAMES = Object.keys(SPELLS)

export interface Spelling {
  readonly method: string
  readonly target: string
  /** Of the route that it was made of. */
  readonly right: string
  readonly headers: readonly string[]
  /** How it was made, for a report that fails. */
  readonly made: string
}

const OVERRIDES = [
  'X-HTTP-Method-Override: DELETE',
  'X-HTTP-Method: DELETE',
  'X-Method-Override: POST',
  'X-Original-URL: /api/delete',
  'X-Original-URI: /v1/models/org/model',
  'X-Rewrite-URL: /api/pull',
  'X-Forwarded-Prefix: /x',
  'X-Forwarded-Uri: /api/delete',
]

/** A request for one of the routes of a backend, spelled so that a guard may not know it again. */
export function spell(random: Random, house: SpellingHouse): Spelling {
  const [method, path, right] = random.of(house.routes)
  let target = `${house.prefix}${path}`
  const made = [`${method} ${target}`]
  for (let spells = random.of([1, 1, 1, 2, 3]); spells > 0; spells -= 1) {
    const name = random.of(NAMES)
    target = SPELLS[name]?.(target, random, house) ?? target
    made.push(name)
  }
  const headers = random.chance(0.1) ? [random.of(OVERRIDES)] : []
  // A line cannot hold these, or it is another line; a client that sends them is refused as no HTTP at all, which promise 5 shows.
  return {
    method: random.chance(0.1) ? random.of(['POST', 'GET', 'DELETE']) : method,
    target: target.replaceAll(/[\r\n]/g, '') || '/',
    right,
    headers,
    made: made.join(', '),
  }
}
