import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../test/support/random.ts'
import { GatewayError } from '../../kernel/index.ts'
import { arrivingAudio } from './audio.ts'
import { FormReader } from './form.ts'

const RULES = {
  fileParts: new Set(['file', 'audio_file', 'audio']),
  options: { language: 'language', prompt: 'prompt', response_format: 'response_format', output: 'response_format' },
}
const BOUNDARY = '----form7MA4YWxkTrZu0gW'
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`
const HEAD = Buffer.from('<head>')
const TAIL = Buffer.from('<tail>')

interface Part {
  readonly name: string
  readonly value: Buffer
  readonly filename?: string
  readonly type?: string
}

const option = (name: string, value: string): Part => ({ name, value: Buffer.from(value) })
const file = (value: string | Buffer, over: Partial<Part> = {}): Part => ({
  name: 'file',
  filename: 'a.wav',
  type: 'audio/wav',
  value: Buffer.from(value),
  ...over,
})

const formOf = (parts: readonly Part[]): Buffer =>
  Buffer.concat([
    ...parts.flatMap(({ name, value, filename, type }) => [
      Buffer.from(
        `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}\r\n${type === undefined ? '' : `Content-Type: ${type}\r\n`}\r\n`,
      ),
      value,
      Buffer.from('\r\n'),
    ]),
    Buffer.from(`--${BOUNDARY}--\r\n`),
  ])

/** The bytes in pieces of random length, so that every boundary is cut somewhere. */
function pieces(bytes: Buffer, random: Random): Buffer[] {
  const cut: Buffer[] = []
  const small = random.chance(0.5)
  for (let at = 0; at < bytes.length; ) {
    const length = random.int(1, small ? 9 : 700)
    cut.push(bytes.subarray(at, at + length))
    at += length
  }
  return cut
}

interface Taken {
  /** What went to the backend, whole or not. */
  readonly sent: Buffer
  readonly whole: boolean
  readonly error: string | null
  readonly options: Readonly<Record<string, string>>
  readonly streamed: boolean
}

/** Takes a form as the face does: the file at once when options came first, else after the form is whole. */
async function take(source: Readable, optionsKnown = false): Promise<Taken> {
  const form = new FormReader(source, TYPE, { ...RULES, optionsKnown })
  const parts: Buffer[] = []
  let streamed = false
  const result = (error: string | null, whole: boolean): Taken => ({
    sent: Buffer.concat(parts),
    whole,
    error,
    options: form.options.values(),
    streamed,
  })
  try {
    const begun = await form.begun
    streamed = form.optionsCameFirst
    const body = streamed ? (await arrivingAudio(form, begun)).between(HEAD, TAIL) : begun.stream
    for await (const part of body) parts.push(part)
    const error = await form.over
    if (error !== null) throw error
    return result(null, true)
  } catch (error) {
    return result(error instanceof GatewayError ? `${error.code} ${error.detail}` : String(error), false)
  }
}

const takeAll = (parts: readonly Part[], optionsKnown = false) => take(Readable.from(pieces(formOf(parts), new Random(1))), optionsKnown)

describe('a form', () => {
  it('lets the file stream when options come first', async () => {
    const taken = await takeAll([option('language', 'en'), file('sound')])
    expect(taken).toEqual({ sent: Buffer.from('<head>sound<tail>'), whole: true, error: null, options: { language: 'en' }, streamed: true })
  })

  it('lets the file stream when options are known from elsewhere', async () => {
    expect(await takeAll([file('sound')], true)).toMatchObject({ sent: Buffer.from('<head>sound<tail>'), streamed: true })
  })

  it('waits for options behind a file that comes first', async () => {
    expect(await takeAll([file('sound'), option('language', 'en'), option('prompt', 'x')])).toMatchObject({
      whole: true,
      streamed: false,
      options: { language: 'en', prompt: 'x' },
    })
  })

  it('never lets a backend see the end when an option comes too late', async () => {
    for (const known of [true, false]) {
      const taken = await takeAll([...(known ? [] : [option('language', 'en')]), file('sound'), option('prompt', 'x')], known)
      expect(taken.error).toBe(
        'BODY_INVALID prompt: came after the file, when that was on its way already; put all options before the file, or in the query',
      )
      expect(taken.sent.includes(TAIL)).toBe(false)
    }
  })

  it.each<[string, readonly Part[], string]>([
    ['no file', [option('language', 'en')], 'There is no file in this form'],
    ['nothing', [], 'There is no file in this form'],
    ['two files', [file('a'), file('b', { name: 'audio' })], 'two files'],
    ['two files behind an option', [option('language', 'en'), file('a'), file('b')], 'two files'],
    ['a file of another name', [file('a', { name: 'upload' })], 'upload: the file must be the part file or audio_file or audio'],
    ['an unknown option', [option('temprature', '1'), file('a')], 'temprature: there is no such field here'],
    [
      'an unknown option behind the file',
      [file('a'), option('timestamp_granularities[]', 'word')],
      'timestamp_granularities[]: there is no such field',
    ],
    [
      'an option twice, differently',
      [option('language', 'en'), option('language', 'de'), file('a')],
      'language: is said twice, and differently',
    ],
    ['an option under two names, differently', [option('output', 'srt'), option('response_format', 'vtt'), file('a')], 'is said twice'],
    ['an option of 70 kB', [option('prompt', 'x'.repeat(70_000)), file('a')], 'prompt: is longer than 65536 bytes'],
    ['a name from the prototype', [option('constructor', 'x'), file('a')], 'constructor: there is no such field'],
    ['a thousand parts', [...Array.from({ length: 1_000 }, () => option('language', 'en')), file('a')], 'more parts'],
  ])('with %s is refused by name', async (_what, parts, detail) => {
    const taken = await takeAll(parts)
    expect(taken.error).toContain(detail)
    expect(taken.sent.includes(TAIL)).toBe(false)
  })

  it('takes an option twice when it says the same, and empty ones as none', async () => {
    const taken = await takeAll([option('output', 'srt'), option('response_format', 'srt'), option('language', ' '), file('a')])
    expect(taken).toMatchObject({ whole: true, options: { response_format: 'srt' } })
  })

  it('takes a file without a name, and of no type', async () => {
    const form = new FormReader(Readable.from([formOf([{ name: 'audio', value: Buffer.from('x') }])]), TYPE, {
      ...RULES,
      optionsKnown: true,
    })
    expect(await form.begun).toMatchObject({ filename: 'audio', contentType: 'application/octet-stream' })
    form.abandon()
  })

  it.each([true, undefined])('is refused where a field has no name', async (keepsOthers) => {
    const nameless = `--${BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n`
    const rules = { ...RULES, optionsKnown: false, ...(keepsOthers && { keepsOthers }) }
    const form = new FormReader(Readable.from([Buffer.from(nameless), formOf([file('x')])]), TYPE, rules)
    expect(await form.over).toMatchObject({ code: 'BODY_INVALID', detail: 'A part of this form has no name' })
  })

  it('keeps of a file name what a backend needs', async () => {
    const names = async (filename: string) => {
      const form = new FormReader(Readable.from([formOf([file('x', { filename })])]), TYPE, { ...RULES, optionsKnown: true })
      const { filename: kept } = await form.begun
      form.abandon()
      return kept
    }
    expect(await names('../../etc/passwd.wav')).toBe('passwd.wav')
    expect(await names('C:\\music\\ünï.mp3')).toBe('ünï.mp3')
    expect(await names('..')).toBe('audio')
    expect(await names(`${'x'.repeat(500)}.flac`)).toMatch(/^x{123}\.flac$/)
  })

  it('has a boundary', () => {
    for (const type of ['multipart/form-data', 'multipart/form-data; charset=utf-8']) {
      expect(() => new FormReader(Readable.from([]), type, { ...RULES, optionsKnown: true })).toThrow('has no boundary')
    }
  })

  it('holds back its caller while the backend is slow', async () => {
    let read = 0
    const parts = [option('language', 'en'), file(Buffer.alloc(8 * 1024 * 1024))]
    const whole = formOf(parts)
    const source = new Readable({
      highWaterMark: 64 * 1024,
      read() {
        this.push(read < whole.length ? whole.subarray(read, read + 64 * 1024) : null)
        read += 64 * 1024
      },
    })
    const form = new FormReader(source, TYPE, { ...RULES, optionsKnown: false })
    const body = (await arrivingAudio(form, await form.begun)).between(HEAD, TAIL)
    body.read(1)
    for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(read).toBeLessThan(2 * 1024 * 1024)
    body.destroy()
  })
})

describe('a form cut and shuffled at random', () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  const SPOILERS = ['\r\n', '--', `\r\n--${BOUNDARY.slice(0, 8)}`, `--${BOUNDARY}`, '\r', '\n--', '-']
  const randomFile = (random: Random): Buffer =>
    Buffer.concat(
      Array.from({ length: random.int(0, 12) }, () =>
        random.chance(0.6)
          ? Buffer.from(random.of(SPOILERS))
          : Buffer.from(Array.from({ length: random.int(0, 600) }, () => random.int(0, 255))),
      ),
    )
  /** A real boundary within the file would end it there, in any parser. */
  const harmless = (bytes: Buffer): boolean =>
    !bytes.includes(`\r\n--${BOUNDARY}`) && !bytes.subarray(0, BOUNDARY.length + 2).equals(Buffer.from(`--${BOUNDARY}`))

  function randomParts(random: Random): { parts: Part[]; sound: Buffer } {
    let sound = randomFile(random)
    while (!harmless(sound)) sound = randomFile(random)
    const parts = [option('language', 'en'), option('prompt', 'a\r\nb'), option('output', 'srt')].filter(() => random.chance(0.5))
    parts.splice(random.int(0, parts.length), 0, file(sound, { name: random.of(['file', 'audio_file', 'audio']) }))
    return { parts, sound }
  }

  it(`is read as it was written, or refused for its order (SEED=${seed})`, async () => {
    for (let round = 0; round < 400; round += 1) {
      const random = new Random(seed + round)
      const { parts, sound } = randomParts(random)
      const known = random.chance(0.3)
      const at = parts.findIndex(({ filename }) => filename !== undefined)
      const streams = known || at > 0
      const taken = await take(Readable.from(pieces(formOf(parts), random)), known)
      const where = `SEED=${seed + round}`
      if (streams && at < parts.length - 1) {
        expect(taken.error, where).toMatch(/^BODY_INVALID \w+: came after the file/)
        expect(taken.sent.subarray(HEAD.length).includes(TAIL), where).toBe(false)
      } else {
        const sent = streams ? Buffer.concat([HEAD, sound, TAIL]) : sound
        expect(taken.error, where).toBe(null)
        expect(taken.sent.equals(sent), where).toBe(true)
        expect(Object.keys(taken.options).length, where).toBe(parts.length - 1)
      }
    }
  })

  it(`is never whole when it was cut (SEED=${seed})`, async () => {
    for (let round = 0; round < 400; round += 1) {
      const random = new Random(seed + round)
      const { parts } = randomParts(random)
      const whole = formOf(parts)
      const cut = whole.subarray(0, random.int(0, whole.length - '--\r\n'.length))
      const taken = await take(Readable.from(pieces(cut, random)), random.chance(0.5))
      expect(taken.whole, `SEED=${seed + round}`).toBe(false)
      expect(taken.error, `SEED=${seed + round}`).toMatch(/^BODY_IN/)
      if (taken.streamed) expect(taken.sent.subarray(HEAD.length).includes(TAIL), `SEED=${seed + round}`).toBe(false)
    }
  })

  it(`comes to an end whatever is wrong with it (SEED=${seed})`, async () => {
    for (let round = 0; round < 400; round += 1) {
      const random = new Random(seed + round)
      const { parts } = randomParts(random)
      const spoilt = Buffer.from(formOf(parts))
      for (let blow = random.int(1, 4); blow > 0; blow -= 1) {
        const at = random.int(0, spoilt.length - 1)
        if (random.chance(0.5)) spoilt[at] = random.of([0, 10, 13, 34, 45, 58, 59, 61, 255])
        else spoilt.copyWithin(at, random.int(0, spoilt.length - 1))
      }
      const settled = take(Readable.from(pieces(spoilt, random)), random.chance(0.5))
      const taken = await Promise.race([settled, new Promise<null>((resolve) => setTimeout(resolve, 2_000, null))])
      expect(taken, `SEED=${seed + round}`).not.toBe(null)
      if (taken?.streamed && !taken.whole) expect(taken.sent.subarray(HEAD.length).includes(TAIL), `SEED=${seed + round}`).toBe(false)
    }
  })

  it(`ends its backend's body when its caller leaves (SEED=${seed})`, async () => {
    for (let round = 0; round < 200; round += 1) {
      const random = new Random(seed + round)
      const { parts } = randomParts(random)
      const cut = pieces(formOf(parts), random)
      const until = random.int(0, cut.length - 1)
      const source = Readable.from(
        (async function* () {
          yield* cut.slice(0, until)
          throw new GatewayError('BODY_INCOMPLETE', { reason: 'left' })
        })(),
      )
      const taken = await take(source, random.chance(0.5))
      expect(taken.whole, `SEED=${seed + round}`).toBe(false)
      expect(taken.error, `SEED=${seed + round}`).toMatch(/^BODY_IN/)
    }
  })
})
