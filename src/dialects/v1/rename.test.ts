import { expect, it } from 'vitest'
import { renamer } from './rename.ts'

const named = (text: string): string => String(renamer('small:1b', 'fast')?.(Buffer.from(text)))
const M = '"model":"small:1b"'
const F = '"model":"fast"'

it.each([
  ['an answer', `{${M},"choices":[]}`, `{${F},"choices":[]}`],
  ['an answer that is spelled with a space', '{"id":1, "model": "small:1b"}', `{"id":1, ${F}}`],
  ['several events', `data: {"id":"a",${M}}\n\ndata: {"id":"b",${M}}\n\n`, `data: {"id":"a",${F}}\n\ndata: {"id":"b",${F}}\n\n`],
  [
    'a message in its first event',
    `event: message_start\ndata: {"type":"x","message":{${M},"content":[]}}\n\n`,
    `event: message_start\ndata: {"type":"x","message":{${F},"content":[]}}\n\n`,
  ],
  ['a response in its events', `data: {"response" : {"id":1,${M}}}\n\n`, `data: {"response" : {"id":1,${F}}}\n\n`],
])('%s bears the public name', (_what, text, expected) => expect(named(text)).toBe(expected))

it.each([
  ['what a tool is given', `{"content":[{"type":"tool_use","input":{${M}}}]}`],
  ['an object of another name', `{"metadata":{${M}}}`],
  ['a message deeper than that of an event', `{"choices":[{"message":{${M}}}]}`],
  ['a text', `{"content":"{\\"model\\":\\"small:1b\\"}","x":"\\\\"}`],
  ['the beginning of another name', '{"model":"small:1b-instruct"}'],
])('%s is left as it is', (_what, text) => expect(named(text)).toBe(text))

it('is found after a text with quotes and braces, and beside what is left', () => {
  expect(named(`{"a":"\\"{{\\\\","tools":[{"x":{${M}}}],${M}}`)).toBe(`{"a":"\\"{{\\\\","tools":[{"x":{${M}}}],${F}}`)
})
