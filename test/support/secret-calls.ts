import type { Call } from './caller.ts'
import type { TestKey } from './gateway.ts'
import { FORM_TYPE, formBytes, partHead } from './media.ts'
import type { Pasted, SecretScene } from './secret-scene.ts'

/** Who is on the scene, by name. */
export interface Cast {
  readonly scene: SecretScene
  readonly keys: Readonly<Record<'caller' | 'limited' | 'rotated' | 'disabled' | 'old' | Pasted, TestKey>>
}

/** A file that the owner got wrong. */
export interface Slip {
  readonly isConfig: boolean
  readonly file: string
}

const form = (parts: readonly (readonly [string, string | Buffer])[]): Pick<Call, 'body' | 'headers'> => {
  const body = formBytes(parts)
  return { body, headers: { 'content-type': FORM_TYPE, 'content-length': body.length } }
}

/** One call of each service, with what a person would rather not find in a log. */
export function ordinary({ scene, keys }: Cast): Readonly<Record<string, Call>> {
  const { texts } = scene
  const key = keys.caller.text
  const parts = [['prompt', texts['whisper prompt']] as const, ['file', Buffer.from(texts.upload)] as const]
  const rerank = `/rerank/api/rerank?q=${encodeURIComponent(texts['plain query'])}`
  return {
    chat: { path: '/chat/api/generate', key, body: { model: 'm', prompt: texts['chat prompt'] } },
    speech: { path: '/tts/api/speak', key, body: { text: texts['speech text'] } },
    image: { path: '/image/api/generate', key, body: { prompt: texts['image prompt'] } },
    'simple image': { path: '/image/api/generate/simple', key, body: { prompt: texts['image prompt'] } },
    transcript: { path: '/whisper/api/transcribe', key, ...form(parts) },
    'spooled transcript': { path: '/whisper/api/transcribe', key, ...form([...parts].reverse()) },
    plain: { path: rerank, key, body: texts['plain body'], headers: { 'content-type': 'text/plain' } },
  }
}

/** What goes beside the key in the headers of a request. */
export const around = ({ scene, keys }: Cast): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`ada:${scene.texts['basic password']}`).toString('base64')}`,
  cookie: `session=${scene.texts.cookie}`,
  'x-forwarded-for': scene.texts['forwarded for'],
  'x-goog-api-key': keys['wrong header'].text,
  referer: `http://gate/?key=${keys['wrong header'].text}`,
  'user-agent': `curl/8 ${keys.agent.text}`,
})

/** A key where none belongs, with and without a good one beside it. */
export function misplaced({ scene, keys }: Cast): readonly (readonly [name: string, asked: Call])[] {
  const key = keys.caller.text
  const { texts } = scene
  const pasted = (name: Pasted): string => keys[name].text
  const spelled = pasted('encoded path').replaceAll('_', '%5F').replace('pcl', '%70cl')
  const chat = (body: Call['body'] & {}, more: Partial<Call> = {}): Call => ({ path: '/chat/api/generate', key, body, ...more })
  const whisper = { path: '/whisper/api/transcribe', key }
  const named = Buffer.concat([Buffer.from(`${partHead('file', `${pasted('file name')}.wav`)}RIFF\r\n`), formBytes([])])
  const multipart = (body: Buffer) => ({ body, headers: { 'content-type': FORM_TYPE, 'content-length': body.length } })
  return [
    ['a key for a path', { path: `/chat/api/${pasted('path')}` }],
    ['a key in a path, and a key', { path: `/chat/api/tags/${pasted('path')}/x`, key }],
    ['a key in a path that is refused', { path: `/chat//api;${pasted('path')}` }],
    ['a key in a path, spelled in hexadecimal', { path: `/chat/api/${spelled}`, key }],
    ['a key for a parameter', { path: `/rerank/api/models/${pasted('path')}`, key }],
    ['a key for a parameter, spelled', { path: `/rerank/api/models/${spelled}`, key }],
    ['a key in a query', { path: `/chat/api/tags?key=${pasted('query')}` }],
    ['a key in a query that goes on', { path: `/rerank/api/models/a?api_key=${pasted('query')}`, key }],
    ['its own key in a query that goes on', { path: `/rerank/api/models/a?api_key=${encodeURIComponent(key)}`, key }],
    ['a legacy key in its own query', { path: `/rerank/api/models/a?api_key=${scene.legacy}`, key: scene.legacy }],
    ['a legacy key in a path', { path: `/chat/api/${scene.legacy}`, key }],
    ['a key for a model', chat({ model: pasted('model'), prompt: 'x' })],
    ['a cloud model', chat({ model: `${pasted('model')}:cloud`, prompt: 'x' })],
    ['a key for a JSON key', chat({ model: 'm', [pasted('json key')]: 1 })],
    ['a JSON key twice', chat(`{"${pasted('json key')}":1,"${pasted('json key')}":2}`)],
    ['a key for a field of speech', { path: '/tts/api/speak', key, body: { text: 'x', [pasted('json key')]: 1 } }],
    ['a key for a field of a picture', { path: '/image/api/generate', key, body: { prompt: 'x', [pasted('json key')]: 1 } }],
    ['a key for a setting', { path: '/image/api/generate', key, body: { prompt: 'x', override_settings: { [pasted('json key')]: 1 } } }],
    [
      'a key for a list',
      { path: '/image/api/generate', key, body: { prompt: 'x', alwayson_scripts: { [pasted('json key')]: 'http://x' } } },
    ],
    ['a key for a voice', { path: '/tts/api/speak', key, body: { text: 'x', voice: pasted('text') } }],
    ['a key for a file name', { ...whisper, ...multipart(named) }],
    [
      'a key for a form field',
      {
        ...whisper,
        ...form([
          [pasted('form field'), 'x'],
          ['file', Buffer.from('RIFF')],
        ]),
      },
    ],
    ['a key for a part', { ...whisper, ...form([[pasted('form field'), Buffer.from('RIFF')]]) }],
    [
      'a key for an option',
      { ...whisper, path: `${whisper.path}?${pasted('option of a query')}=1`, ...form([['file', Buffer.from('R')]]) },
    ],
    ['a text for a field', { path: '/tts/api/speak', key, body: { text: 'x', [texts['field name']]: 1 } }],
    ['a text for a field of a picture', { path: '/image/api/generate', key, body: { prompt: 'x', [texts['field name']]: 1 } }],
    ['a text for a setting', { path: '/image/api/generate', key, body: { prompt: 'x', override_settings: { [texts['field name']]: {} } } }],
    [
      'a text for a script',
      { path: '/image/api/generate', key, body: { prompt: 'x', alwayson_scripts: { [texts['field name']]: '/etc' } } },
    ],
    [
      'a text for a form field',
      {
        ...whisper,
        ...form([
          [texts['form field name'].replaceAll('"', "'"), 'x'],
          ['file', Buffer.from('R')],
        ]),
      },
    ],
    ['no JSON', chat(`hello ${texts['no json']}`)],
    ['half of JSON', chat(`{"model":"m","prompt":${texts['no json']}}`)],
    ['no JSON for speech', { path: '/tts/api/speak', key, body: `{"text":${texts['no json']}}` }],
    ['another scheme', { path: '/chat/api/tags', headers: { authorization: `Token ${pasted('wrong scheme')}` } }],
    ['no scheme', { path: '/chat/api/tags', headers: { authorization: pasted('wrong scheme') } }],
    ['two keys', { path: '/chat/api/tags', key, headers: { authorization: `Bearer ${pasted('second header')}` } }],
    ['a disabled key', { path: '/chat/api/tags', key: keys.disabled.text }],
    ['a key with a slip', { path: '/chat/api/tags', key: `${keys.limited.text.slice(0, -1)}-` }],
    ['a wrong secret', { path: '/chat/api/tags', key: `${keys.limited.text.slice(0, -6)}000000` }],
    ['a key without the right', { path: '/chat/api/pull', key: keys.limited.text, body: { model: pasted('model') } }],
    ['a method that is none here', { path: '/chat/api/generate', method: 'PUT', key, body: texts['no json'] }],
    ['another content type', chat(texts['no json'], { headers: { 'content-type': 'image/png' } })],
    ['the old secret', { path: '/chat/api/tags', key: keys.old.text }],
    ['the new secret', { path: '/chat/api/tags', headers: { authorization: `Bearer ${keys.rotated.text}` } }],
    ['the key of an old file', { path: '/tts/api/voices', key: scene.legacy }],
  ]
}

export const pastedText = ({ keys }: Cast): Call => ({
  path: '/chat/api/generate',
  body: { model: 'm', prompt: `what is ${keys.text.text}?` },
})

export interface Command {
  readonly words: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** Everything that a command can print about what has happened, and about wrong uses of it. */
export function commands({ scene, keys }: Cast, slips: readonly Slip[]): readonly Command[] {
  const id = keys.caller.id
  const own = { PORTCULLIS_CONFIG: scene.place.env.PORTCULLIS_CONFIG ?? '' }
  const lines = [
    ...['key list', 'key list --all', 'key list --all --json', `key show ${id}`, `key show ${keys.old.id} --json`, 'key show legacy_'],
    ...[
      `key show ${keys['key id'].text}`,
      `key disable ${keys['key id'].text}`,
      `key validate ${keys['key id'].text}`,
      'key rotate nothing',
    ],
    ...[`key validate ${keys.caller.text} --json`, `key validate ${keys.disabled.text}`, `key validate ${scene.legacy}`],
    ...['audit verify', 'audit verify --json', 'audit head', 'audit tail -n 500', 'audit tail -n 100000 --json', 'audit export --csv'],
    ...['report', 'report --users', 'report --suspicious', 'report --json', 'report --html', 'report --format fail2ban'],
    ...['status', 'status --json', 'config check', `key import ${scene.legacyFile} --json`, `key ${keys['key id'].text}`],
  ]
  const wrong = slips.map(({ isConfig, file }) =>
    isConfig ? { words: ['config', 'check'], env: { PORTCULLIS_CONFIG: file } } : { words: ['key', 'import', file] },
  )
  return [...lines.map((line) => ({ words: line.split(' '), env: own })), ...wrong]
}
