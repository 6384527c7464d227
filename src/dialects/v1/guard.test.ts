import { describe, expect, it } from 'vitest'
import type { Protocol } from '../../catalog/index.ts'
import { scanObject } from '../../http/index.ts'
import { refuseRemote, refuseRemoteFields } from './guard.ts'

const MiB = 1024 * 1024
const bodyOf = (text: string) => ({ bytes: Buffer.from(text), keys: scanObject(Buffer.from(text)) })
/** What is said of a body, or `passes`. */
function verdict(body: object | string, protocol: Protocol = 'chat'): string {
  try {
    refuseRemote(bodyOf(typeof body === 'string' ? body : JSON.stringify(body)), protocol)
    return 'passes'
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && 'detail' in thrown ? `${thrown.code}: ${thrown.detail}` : String(thrown)
  }
}
const said = (...parts: object[]) => ({ model: 'm', messages: [{ role: 'user', content: parts }] })
const asked = (...parts: object[]) => ({ model: 'm', input: [{ role: 'user', content: parts }] })
const FAR = 'http://169.254.169.254/latest/meta-data'
const NEAR = 'data:image/png;base64,iVBORw0KGgo='
const source = (over: object) => said({ type: 'image', source: over })
const fn = { name: 'get', parameters: { type: 'object', properties: { url: { type: 'string', default: FAR } } } }

describe('what a caller may not have fetched', () => {
  it.each<[string, Protocol, object]>([
    ['image_url', 'chat', said({ type: 'image_url', image_url: { url: FAR } })],
    ['image_url as a text', 'chat', said({ type: 'image_url', image_url: FAR })],
    ['a file of this machine', 'chat', said({ type: 'image_url', image_url: { url: 'file:///etc/passwd' } })],
    ['an address without a scheme', 'chat', said({ type: 'image_url', image_url: { url: '//10.0.0.1/x' } })],
    ['video_url', 'chat', said({ type: 'video_url', video_url: { url: FAR } })],
    ['a sound', 'chat', said({ type: 'input_audio', input_audio: { data: FAR, format: 'wav' } })],
    ['a file that is an address', 'chat', said({ type: 'file', file: { filename: 'x', file_data: FAR } })],
    ['a file of the account', 'chat', said({ type: 'file', file: { file_id: 'file-1' } })],
    ['the web', 'chat', { model: 'm', messages: [], web_search_options: {} }],
    ['models to choose from', 'chat', { model: 'm', messages: [], models: ['dear'] }],
    ['another model, should this one fail', 'chat', { model: 'm', messages: [], fallbacks: [{ model: 'dear' }], route: 'fallback' }],
    ['a provider', 'chat', { model: 'm', messages: [], provider: { order: ['x'] } }],
    ['work that goes on', 'responses', { model: 'm', input: 'x', background: true }],
    ['a hosted tool of a chat', 'chat', { model: 'm', tools: [{ type: 'function', function: fn }, { type: 'web_search' }] }],
    ['a tool by its own name', 'chat', { model: 'm', tools: [{ google_search: {} }] }],
    ['a tool of no type', 'chat', { model: 'm', tools: [{ type: null, google_search: {} }] }],
    ['a tool that is a word', 'chat', { model: 'm', tools: ['web_search'] }],
    ['input_image', 'responses', asked({ type: 'input_image', image_url: FAR })],
    ['input_file', 'responses', asked({ type: 'input_file', file_url: FAR })],
    ['input_file of the account', 'responses', asked({ type: 'input_file', file_id: 'file-1' })],
    ['a picture that a tool gave', 'responses', { model: 'm', input: [{ type: 'function_call_output', output: [{ image_url: FAR }] }] }],
    ['web_search', 'responses', { model: 'm', input: 'x', tools: [{ type: 'web_search_preview' }] }],
    ['mcp', 'responses', { model: 'm', input: 'x', tools: [{ type: 'mcp', server_label: 'x', server_url: FAR }] }],
    ['file_search', 'responses', { model: 'm', input: 'x', tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }] }],
    ['tools within the input', 'responses', { model: 'm', input: [{ type: 'tool_search_output', tools: [{ type: 'mcp' }] }] }],
    ['an answer of another', 'responses', { model: 'm', input: 'x', previous_response_id: 'resp_1' }],
    ['a conversation', 'responses', { model: 'm', input: 'x', conversation: { id: 'conv_1' } }],
    ['a prompt of the account', 'responses', { model: 'm', prompt: { id: 'pmpt_1' } }],
    ['an item', 'responses', { model: 'm', input: [{ type: 'item_reference', id: 'msg_1' }] }],
    ['an item of no type', 'responses', { model: 'm', input: [{ id: 'msg_1' }] }],
    ['a mask', 'images', { model: 'm', prompt: 'x', mask_image: FAR }],
    ['a picture to draw after', 'images', { model: 'm', prompt: 'x', reference_image: [FAR] }],
    ['a picture whose address begins far in', 'images', { model: 'm', prompt: 'x', image: `${' '.repeat(300)}${FAR}` }],
    ['a picture whose address begins just within', 'images', { model: 'm', prompt: 'x', image: `${' '.repeat(253)}${FAR}` }],
    ['a picture whose address is broken over lines', 'images', { model: 'm', prompt: 'x', image: 'ht\ntp://10.0.0.1/' }],
    ['a source', 'messages', source({ type: 'url', url: FAR })],
    ['a source that is a file', 'messages', source({ type: 'file', file_id: 'file_1' })],
    ['a picture in what a tool gave', 'messages', said({ type: 'tool_result', content: [{ type: 'image', source: { url: FAR } }] })],
    ['web search', 'messages', { model: 'm', messages: [], tools: [{ type: 'web_search_20250305', name: 'web_search' }] }],
    ['mcp servers', 'messages', { model: 'm', messages: [], mcp_servers: [{ type: 'url', url: FAR, name: 'x' }] }],
    ['a container', 'messages', { model: 'm', messages: [], container: 'container_1' }],
    ['a picture to embed', 'embeddings', { model: 'm', input: [{ image: FAR }] }],
    ['a picture in a prompt', 'completions', { model: 'm', prompt: 'x', image_url: FAR }],
    ['a picture to change', 'images', { model: 'm', prompt: 'x', image: FAR }],
    ['a voice to copy', 'speech', { model: 'm', input: 'x', ref_audio: FAR }],
  ])('%s over %s', (_what, protocol, body) => {
    expect(verdict(body, protocol)).toMatch(/^POLICY_REFUSED: "\w+" .*or ask for an endpoint that allows it$/)
  })

  it('is named, with the way out, and the ledger is told nothing of the body', () => {
    expect(verdict(said({ image_url: { url: FAR } }))).toBe(
      'POLICY_REFUSED: "url" names an address for the backend to fetch; send what is there as a data: URI, or ask for an endpoint that allows it',
    )
    try {
      refuseRemote(bodyOf(JSON.stringify({ tools: [{ type: 'canary' }] })), 'chat')
      expect.unreachable()
    } catch (thrown) {
      expect(thrown).toMatchObject({ status: 403, reason: 'remote content: tool', hints: { param: 'tools' } })
    }
  })
})

const part = (inner: string) => `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url",${inner}}]}]}`

describe('no spelling gets around it', () => {
  it.each([
    ['another case', part(`"image_url":{"URL":"${FAR}"}`)],
    ['a letter that folds', part(`"image_ur\\u006c":"${FAR}"`)],
    ['an escaped key', part(`"image_url":{"\\u0075r\\u006C":"${FAR}"}`)],
    ['an escaped value', part('"image_url":{"url":"\\u0068ttp://10.0.0.1"}')],
    ['an escape that looks like no address', part('"image":"\\u0068\\u0074tp:\\/\\/10.0.0.1"')],
    ['a space before it', part(`"image_url":{"url":" ${NEAR}"}`)],
    ['the first of two', part(`"image_url":{"url":"${FAR}","url":"${NEAR}"}`)],
    ['the last of two', part(`"image_url":{"url":"${NEAR}","url":"${FAR}"}`)],
    ['the first of two objects', part(`"image_url":{"url":"${FAR}"},"image_url":{"url":"${NEAR}"}`)],
    ['white space', part(`"image_url" \n:\t{ "url" \r\n : "${FAR}" }`)],
    ['a quote before it', part(`"text":"\\\\\\"","image_url":{"url":"${FAR}"}`)],
    ['deeper than it belongs', part(`"x":[[{"y":[{"image_url":["${FAR}"]}]}]]`)],
    ['the type of a tool, twice', '{"tools":[{"type":"web_search","type":"function","name":"x"}]}'],
    ['the type of a tool in another case', '{"tools":[{"Type":"web_search","type":"function","name":"x"}]}'],
    ['the type of a tool, escaped', '{"tools":[{"typ\\u0065":"web_se\\u0061rch","name":"x"}]}'],
    ['an outermost name in another case', '{"Previous_Response_ID":"resp_1"}'],
    ['an outermost name, escaped', '{"mcp_server\\u0073":[{}]}'],
    ['an outermost name with the long s', '{"converſation":"conv_1"}'],
  ])('%s', (_what, text) => {
    expect(verdict(text, 'responses')).toMatch(/^POLICY_REFUSED/)
    const long = `${text.slice(0, -1)},"padding":"${'A'.repeat(2 * MiB)}"}`
    expect(verdict(long, 'responses')).toMatch(/^POLICY_REFUSED/)
    expect(verdict(`{"padding":"${'A\\\\'.repeat(MiB)}",${text.slice(1)}`, 'responses')).toMatch(/^POLICY_REFUSED/)
  })

  it('of a reference to an item', () => {
    for (const type of ['item_reference', 'item_r\\u0065ference', '\\u0069tem_reference'])
      expect(verdict(`{"input":[{"type":"${type}"}]}`, 'responses')).toMatch(/^POLICY_REFUSED/)
  })

  it('refuses what is no JSON where it looks into it', () => {
    for (const inner of ['"url":', '"url":[1 2]', '"url":{1:2}', '"url":"x" "y"', '"image":\'x\''])
      expect(verdict(`{"model":"m","messages":[{${inner}}]}`)).toMatch(/^(?:BODY_NOT_JSON|POLICY_REFUSED)/)
  })
})

describe('what passes', () => {
  it.each<[string, Protocol, object]>([
    ['a talk', 'chat', { model: 'm', messages: [{ role: 'user', content: `Look at ${FAR}` }], stream: true }],
    ['a picture', 'chat', said({ type: 'text', text: FAR }, { type: 'image_url', image_url: { url: NEAR, detail: 'low' } })],
    ['a sound', 'chat', said({ type: 'input_audio', input_audio: { data: '//uQxAAA', format: 'mp3' } })],
    ['a file', 'chat', said({ type: 'file', file: { filename: 'x.pdf', file_data: 'data:application/pdf;base64,AA' } })],
    ['a picture in lines', 'images', { model: 'm', prompt: 'x', image: `${'A'.repeat(76)}\r\n`.repeat(9) }],
    ['a picture to Ollama', 'chat', { model: 'm', messages: [{ role: 'user', content: 'x', images: ['/9j/4AAQ'] }] }],
    ['functions', 'chat', { model: 'm', tools: [{ type: 'function', function: fn }], tool_choice: 'auto' }],
    ['a schema', 'chat', { model: 'm', response_format: { type: 'json_schema', json_schema: { schema: { examples: [{ url: FAR }] } } } }],
    ['what a tool was called with', 'chat', { model: 'm', messages: [{ tool_calls: [{ function: { arguments: { url: FAR } } }] }] }],
    [
      'tools of one’s own',
      'responses',
      {
        model: 'm',
        input: 'x',
        tools: [
          { type: 'function', ...fn },
          { type: 'custom', name: 'x' },
        ],
      },
    ],
    ['items that were answers', 'responses', asked({ type: 'output_text', text: 'x', annotations: [{ type: 'url_citation', url: FAR }] })],
    ['an item with its id', 'responses', { model: 'm', input: [{ id: 'msg_1', type: 'message', role: 'assistant', content: 'x' }] }],
    [
      'nothing to go on with',
      'responses',
      { model: 'm', input: 'x', previous_response_id: null, conversation: null, background: false, tools: [] },
    ],
    ['a source', 'messages', source({ type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' })],
    ['a document', 'messages', said({ type: 'document', source: { type: 'text', media_type: 'text/plain', data: `${FAR} is a file` } })],
    [
      'tools that the caller runs',
      'responses',
      { model: 'm', tools: [{ type: 'local_shell' }, { type: 'computer_use_preview', display_width: 1 }] },
    ],
    [
      'Anthropic’s tools that the caller runs',
      'messages',
      {
        model: 'm',
        tools: ['bash_20250124', 'text_editor_20250728', 'computer_20250124', 'memory_20250818'].map((type) => ({ type, name: 'x' })),
      },
    ],
    [
      'tools as Anthropic has them',
      'messages',
      { model: 'm', messages: [], tools: [{ name: 'x', input_schema: fn.parameters }], mcp_servers: [] },
    ],
    ['what a tool was called with', 'messages', said({ type: 'tool_use', id: 'toolu_1', name: 'x', input: { url: FAR, file_id: 'x' } })],
    ['numbers', 'embeddings', { model: 'm', input: [[1, 2.5e-3, -4]], user: null, truncate: true }],
    ['texts', 'embeddings', { model: 'm', input: ['url', FAR, 'item_reference'] }],
    ['metadata', 'responses', { model: 'm', input: 'x', metadata: { url: FAR } }],
  ])('%s over %s', (_what, protocol, body) => {
    expect(verdict(body, protocol)).toBe('passes')
  })

  it.each(['item_reference', 'item\\u005freference', '\\u0069tem_referenc\\u0065', 'item_\\u0072eferenc\\u0065'])(
    'no reference is missed, as %s',
    (word) => {
      const body = bodyOf(`{"model":"m","input":[{"type":"message"},{"type": "${word}"}]}`)
      expect(() => refuseRemote(body, 'responses')).toThrow(expect.objectContaining({ code: 'POLICY_REFUSED' }))
    },
  )

  it.each([
    'item_refere\\nce',
    'item_referencE',
    'item_referenc',
    'item_references',
    'item_referenc\\u00',
    '\\u0049tem_reference',
    'item_referenc\\u006',
  ])('a type that is nearly one, %s', (word) => {
    expect(() => refuseRemote(bodyOf(`{"model":"m","input":[{"type":"${word}"}]}`), 'responses')).not.toThrow()
  })

  it.each<[string, string]>([
    ['[1,-2.5e3, true,null,{"url":"http://x"}]', 'POLICY_REFUSED'],
    ['[1 ,2 , {"url":"http://x"}]', 'POLICY_REFUSED'],
    ['[[1,2],[3,{"url":"http://x"}],4]', 'POLICY_REFUSED'],
    ['[1,\n2,\t{"url":"http://x"}]', 'POLICY_REFUSED'],
    ['[1,2, 3 ,{"url":"data:"}, 4 ]', 'passes'],
    ['[1,,{"url":"data:"}]', 'BODY_NOT_JSON'],
    ['[1, ,{"url":"data:"}]', 'BODY_NOT_JSON'],
    ['[1,2,]', 'BODY_NOT_JSON'],
    ['[1 2]', 'BODY_NOT_JSON'],
  ])('what stands among numbers, %s: %s', (list, code) => {
    expect(verdict(`{"model":"m","messages":[{"url":"data:","x":${list}}]}`).split(':')[0]).toBe(code)
  })

  it('fields of a form, and not an address among them', () => {
    refuseRemoteFields([
      ['model', 'whisper-1'],
      ['prompt', FAR],
      ['response_format', 'json'],
    ])
    for (const name of ['url', 'URL', 'file_url', 'image'])
      expect(() => refuseRemoteFields([[name, FAR]])).toThrow(expect.objectContaining({ code: 'POLICY_REFUSED' }))
  })

  it.each([
    ['url[]', FAR],
    ['url[]', '//10.0.0.1/x'],
    ['URL[0]', '//10.0.0.1/x'],
    ['x[url]', '//10.0.0.1/x'],
    ['x.file_id', 'file-1'],
    ['image[]', FAR],
    ['image[]', 'file:/etc/passwd'],
    ['mask_image', FAR],
    ['reference_image', FAR],
    ['mask_image', 's3:bucket'],
    ['whatever', FAR],
    ['whatever', ` \u0001ht\ntp:\t//169.254.169.254/`],
    ['whatever', 'http:169.254.169.254'],
    ['whatever', `["${FAR}"]`],
    ['image', `${' '.repeat(1_000)}${FAR}`],
    ['image', `${'\n '.repeat(100)}s3:bucket`],
  ])('the field %s of a form does not hold %j', (name, value) => {
    expect(() => refuseRemoteFields([[name, value]])).toThrow(expect.objectContaining({ code: 'POLICY_REFUSED' }))
  })

  it.each([
    ['prompt', `a gate like ${FAR}`],
    ['negative_prompt', FAR],
    ['user', 'https://issuer.example/grace'],
    ['image[]', NEAR],
    ['image[]', `${'iVBORw0KGgoAAAANSUhEUg'.repeat(4)}\n`.repeat(60)],
    ['url[]', NEAR],
    ['mask_image', 'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg"/>'],
    ['size', '512x512'],
    ['lora', 'ink:0.8'],
    ['model', 'brush:12b'],
    ['chunking_strategy', '{"type":"server_vad"}'],
    ['timestamp_granularities[]', 'word'],
  ])('the field %s of a form may hold %j', (name, value) => {
    refuseRemoteFields([[name, value]])
  })
})

describe('what it costs', () => {
  const picture = 'iVBORw0KGgo'.repeat(Math.floor((4 * MiB) / 11))
  const fast = (body: object, protocol: Protocol, what: string, msMax: number): void => {
    const whole = bodyOf(JSON.stringify(body))
    let bestMs = Number.POSITIVE_INFINITY
    for (let n = 0; n < 5; n += 1) {
      const startedMs = performance.now()
      refuseRemote(whole, protocol)
      bestMs = Math.min(bestMs, performance.now() - startedMs)
    }
    process.stdout.write(`what a caller may not have fetched: ${bestMs.toFixed(2)} ms for ${what}\n`)
    expect(bestMs).toBeLessThan(msMax)
  }

  it('is little for pictures of 32 MiB', () => {
    const parts = Array.from({ length: 8 }, () => ({ type: 'image_url', image_url: { url: `data:image/png;base64,${picture}` } }))
    fast(said(...parts), 'chat', '32 MiB of pictures', 40)
    fast(asked(...parts.map(({ image_url: { url } }) => ({ type: 'input_image', image_url: url }))), 'responses', '32 MiB of them', 40)
  })

  it('is bounded for as many texts as a body may hold', () => {
    const texts = Array.from({ length: 999_000 }, () => 'x')
    fast({ model: 'm', input: texts }, 'embeddings', '999,000 texts', 1_000)
    fast({ model: 'm', input: [{ image_url: NEAR }, texts] }, 'responses', '999,000 texts and a picture', 2_000)
    const numbers = Array.from({ length: 8_000_000 }, () => 1)
    fast({ model: 'm', input: [{ image_url: NEAR }, numbers] }, 'responses', '8,000,000 numbers and a picture', 1_000)
    fast({ model: 'm', input: texts.map(() => 'item_referenc\n') }, 'responses', '999,000 that are nearly a reference', 1_000)
    expect(verdict({ url: Array.from({ length: 100_001 }, () => 'data:') })).toMatch(/^BODY_TOO_DEEP/)
  })
})
