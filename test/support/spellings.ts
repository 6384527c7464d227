import type { Random } from './random.ts'

/** What Ollama serves, and the right that a key needs for each; `nobody` is what no key of any kind may reach. */
export const OLLAMA_ROUTES: readonly (readonly [method: string, path: string, right: string])[] = [
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

const RIGHTS = new Map(OLLAMA_ROUTES.map(([method, path, right]) => [`${method} ${path}`, right]))

/** The right for what Ollama would do with this request: gin matches the decoded path, and HEAD is its own method. Null where it would do nothing. */
export function rightForOllama(method: string, target: string): string | null {
  const raw = target.split(/[?#]/)[0] ?? ''
  let path = raw
  try {
    path = decodeURIComponent(raw)
  } catch {
    // Go answers 400 to what it cannot decode.
    return null
  }
  return RIGHTS.get(`${method} ${path}`) ?? null
}

type Spell = (path: string, random: Random) => string

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
  'without the prefix': (path) => path.replace(/^\/chat/, ''),
  'with the prefix twice': (path) => `/chat${path}`,
  'below another prefix': (path, random) =>
    path.replace(
      /^\/chat/,
      random.of([
        '/tts',
        '/image',
        '/whisper',
        '/v1',
        '/admin',
        '/admin/api',
        '/console',
        '/health',
        '/chat;',
        '/chat%20',
        '/CHAT',
        '/chat.',
        '/cha%74',
        '/./chat',
      ]),
    ),
  'as a whole URL': (path, random) =>
    `${random.of(['http://gate.test', 'HTTP://GATE.TEST', 'http://other', 'http://gate.test@other', 'https://gate.test', 'http://gate.test:80', '//gate.test', 'http:', 'http:/'])}${path}`,
  'through another route': (path, random) =>
    `${random.of(['/chat/api/tags', '/chat/api/generate', '/chat/api/embed', '/health', '/chat'])}/..${random.of(['', '/..', '/../..'])}${path}`,
  'as Go would clean it': (path, random) => path.replaceAll('/', () => random.of(['/', '/', '//', '/./'])),
}
const NAMES = Object.keys(SPELLS)

export interface Spelling {
  readonly method: string
  readonly target: string
  readonly headers: readonly string[]
  /** How it was made, for a report that fails. */
  readonly made: string
}

const OVERRIDES = [
  'X-HTTP-Method-Override: DELETE',
  'X-HTTP-Method: DELETE',
  'X-Method-Override: POST',
  'X-Original-URL: /api/delete',
  'X-Rewrite-URL: /api/pull',
  'X-Forwarded-Prefix: /x',
  'X-Forwarded-Uri: /api/delete',
]

/** A request for one of Ollama's routes, spelled so that a guard may not know it again. */
export function spell(random: Random): Spelling {
  const [method, path] = random.of(OLLAMA_ROUTES)
  let target = `/chat${path}`
  const made = [`${method} ${target}`]
  for (let spells = random.of([1, 1, 1, 2, 3]); spells > 0; spells -= 1) {
    const name = random.of(NAMES)
    target = SPELLS[name]?.(target, random) ?? target
    made.push(name)
  }
  const headers = random.chance(0.1) ? [random.of(OVERRIDES)] : []
  // A line cannot hold these, or it is another line; a client that sends them is refused as no HTTP at all, which promise 5 shows.
  return {
    method: random.chance(0.1) ? random.of(['POST', 'GET', 'DELETE']) : method,
    target: target.replaceAll(/[\r\n]/g, '') || '/',
    headers,
    made: made.join(', '),
  }
}
