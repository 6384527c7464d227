import { chunk, type Exchange, head, LAST_CHUNK, type SeenRequest, whole } from './hostile.ts'
import type { Random } from './random.ts'
import { NDJSON, streamHead } from './text-backend.ts'

/** What a backend says to one request, with the id of that request in all of it. */
export interface Words {
  readonly type: string
  /** All of a whole answer. */
  readonly tagged: string
  /** A stream, head and framing included. */
  readonly stream: Buffer
}

/** A language that a backend speaks: the words for a request. */
export type Tongue = (seen: SeenRequest) => Words

/** Every answer carries the id of the request that it is for; the gate tells each caller that id in a header. */
export const idOf = (seen: SeenRequest): string => seen.header('x-request-id') ?? ''

const OBJECT = 'application/json'

export const ollamaTongue: Tongue = (seen) => {
  const tagged = `{"tag":"<${idOf(seen)}>","done":true}`
  const line = `{"tag":"<${idOf(seen)}>","done":false}\n`
  return {
    type: OBJECT,
    tagged,
    stream: Buffer.concat([Buffer.from(streamHead), chunk(line), chunk(`${tagged}\n`), Buffer.from(LAST_CHUNK)]),
  }
}

const POISON = '<poison>'
export const poison = whole(200, `{"tag":"${POISON}","done":true}`, { 'content-type': OBJECT })
const TAG = /<(req_\w+|poison)>/g

/** Tags in an answer that are not its own; an answer that never had an id can hold none at all. */
export const strangersIn = (body: string, own: string): string[] =>
  [...body.matchAll(TAG)].flatMap(([, tag = '']) => (tag === own ? [] : [tag]))

export const good = ({ tagged, type }: Words): Buffer => whole(200, tagged, { 'content-type': type })

export type Trick = (x: Exchange, words: Words, random: Random) => Promise<void>
const afterBody =
  (bytes: (words: Words) => Buffer | string): Trick =>
  async (x, words) => {
    await x.body()
    await x.send(bytes(words))
  }

/** What leaves the next request on a connection alone, if only just. */
export const FAULTS: Readonly<Record<string, Trick>> = {
  good: afterBody(good),
  stream: afterBody(({ stream }) => stream),
  early: async (x, words) => {
    await x.send(good(words))
    await x.body()
  },
  'fewer bytes than announced': async (x, { type, tagged }, random) => {
    await x.body()
    await x.send(`${head(200, { 'content-type': type, 'content-length': tagged.length + 450 })}${tagged}`)
    x[random.of(['fin', 'rst'] as const)]()
  },
  'a cut stream': async (x, { stream }, random) => {
    await x.body()
    await x.send(stream.subarray(0, random.int(1, stream.length - 1)))
    x[random.of(['fin', 'rst'] as const)]()
  },
  late: async (x, words, random) => {
    await x.body()
    await x.wait(random.int(1, 30))
    await x.send(good(words))
  },
  'late to a caller who has left': async (x, words) => {
    await x.body()
    await Promise.race([x.gone, x.wait(10).catch(() => {})])
    if (!x.socket.destroyed) x.socket.write(good(words))
  },
  'interim answers first': afterBody((words) =>
    Buffer.concat([Buffer.from('HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n'), good(words)]),
  ),
  'until the end of the connection': async (x, { tagged }) => {
    await x.body()
    await x.send(`${head(200, { 'content-type': NDJSON, connection: 'close' })}${tagged}\n`)
    x.fin()
  },
  'keep-alive that is none': async (x, { type, tagged }) => {
    await x.body()
    await x.send(whole(200, tagged, { 'content-type': type, connection: 'keep-alive', 'keep-alive': 'timeout=600' }))
    x.fin()
  },
}

/** Bytes that nobody asked for: they would reach the next request, if the connection had one. */
export const UNASKED: Readonly<Record<string, Trick>> = {
  twice: afterBody((words) => Buffer.concat([good(words), good(words)])),
  'twice, the second is poison': afterBody((words) => Buffer.concat([good(words), poison])),
  'twice, in two packets': async (x, words) => {
    await x.body()
    await x.send(good(words))
    await x.send(poison)
  },
  'fewer bytes than announced, and the next answer in their place': async (x, words) => {
    await x.body()
    await x.send(`${head(200, { 'content-type': words.type, 'content-length': words.tagged.length + 20 })}${words.tagged}`)
    await x.wait(3)
    await x.send(good(words))
    x.fin()
  },
  'more bytes than announced': afterBody((words) => Buffer.concat([good(words), Buffer.from(`xx${POISON}`)])),
  'more after the last chunk': afterBody(({ stream }) => Buffer.concat([stream, poison])),
  'half an answer after an answer': afterBody((words) => Buffer.concat([good(words), poison.subarray(0, 40)])),
  '304 with a body': afterBody(() => Buffer.concat([Buffer.from(head(304, { 'content-length': 10 })), poison])),
  '204 with a body': afterBody((words) => Buffer.concat([Buffer.from(`${head(204)}`), good(words)])),
  'a length and chunks at once': afterBody(
    ({ tagged }) => `${head(200, { 'content-length': 3, 'transfer-encoding': 'chunked' })}${chunk(tagged)}${LAST_CHUNK}${poison}`,
  ),
}
