import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ollama } from 'ollama'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readWav } from '../../src/demo/index.ts'
import { pages, partsOf, ROOT } from '../support/command-lines.ts'
import { type RunningDemo, startDemo } from '../support/demo.ts'
import { lackingPrograms, type Ran, type Scratch, scratch, shell, start } from '../support/program.ts'
import { named } from '../support/tools.ts'

const lacking = lackingPrograms('curl', 'jq', 'base64')
const BASE = 'http://127.0.0.1:8080'

const page = (name: string): string => pages().get(name) ?? ''
const section = (text: string, title: string): string => text.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? ''
const block = (text: string, language = 'sh'): string => partsOf(text).blocks.find((one) => one.language === language)?.text ?? ''
const lines = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '')

let place: Scratch
let demo: RunningDemo
beforeAll(async () => {
  place = scratch('readme')
  demo = await startDemo(['--port', '0'], place)
  // Lines are pasted where `scripts/` is, and leave their files where they are pasted.
  symlinkSync(join(ROOT, 'scripts'), join(place.dir, 'scripts'))
  // As patient as a reader, and less so than curl with an error in the place of an answer.
  writeFileSync(join(place.dir, '.curlrc'), 'silent\nshow-error\nfail-with-body\n')
})
afterAll(async () => {
  await demo.program.kill()
  place.remove()
})

/** A line as it stands on a page, but for the address and the key that a reader has to put in too. */
function paste(line: string): Promise<Ran> {
  const env = { HOME: place.dir, KEY: demo.key, AUDIT_LOG_FILE: demo.ledgerFile, DATA_DIR: join(demo.dir, 'data') }
  return shell(line.replaceAll(BASE, demo.url), { cwd: place.dir, env })
}

const made = (name: string): Buffer => readFileSync(join(place.dir, name))
const pngSides = (bytes: Buffer): readonly number[] => {
  expect(bytes.subarray(0, 8)).toEqual(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'))
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)]
}

describe.skipIf(lacking)(named('the five requests of README.md', lacking), () => {
  const [assignment = '', chat = '', speech = '', picture = '', transcript = '', report = '', ...more] = lines(
    block(section(page('README.md'), 'Five requests')),
  )

  it('are five, after the key', () => {
    expect(assignment).toMatch(/^KEY=pcl_/)
    expect(report).toMatch(/^scripts\/analyze-logs/)
    expect(more).toEqual([])
  })

  it('streams text, to its proper end', async () => {
    const { status, out, err } = await paste(chat)
    expect([status, err]).toEqual([0, ''])
    const objects = lines(out).map((line): Record<string, unknown> => JSON.parse(line))
    expect(objects.length).toBeGreaterThan(5)
    expect(objects.slice(0, -1).every(({ done }) => done === false)).toBe(true)
    expect(objects.at(-1)).toMatchObject({ done: true })
  })

  it('speaks into a file that can be heard', async () => {
    expect(await paste(speech)).toEqual({ status: 0, out: '', err: '' })
    const bytes = made('hello.audio')
    const wav = readWav(bytes)
    expect(wav).toMatchObject({ channels: 1, bits: 16 })
    let peak = 0
    for (let at = wav?.dataAt ?? 0; at + 1 < bytes.length; at += 2) peak = Math.max(peak, Math.abs(bytes.readInt16LE(at)))
    expect(peak).toBeGreaterThan(3_000)
  })

  it('draws a picture', async () => {
    expect(await paste(picture)).toEqual({ status: 0, out: '', err: '' })
    expect(pngSides(made('castle.png'))).toEqual([512, 512])
  })

  it('transcribes what was spoken', async () => {
    const { status, out } = await paste(transcript)
    expect(status).toBe(0)
    expect(JSON.parse(out)).toEqual({ text: expect.stringContaining('WAV file') })
  })

  it('reports just these', async () => {
    const { status, out, err } = await paste(report)
    expect([status, err]).toEqual([0, ''])
    const said = out.replaceAll(/ +/g, ' ')
    for (const service of ['chat', 'tts', 'image', 'whisper']) expect(said).toMatch(new RegExp(`\\b${service} 1\\b`))
    expect(said).toContain('demo')
  })

  it('works from an SDK', async () => {
    const [, snippet = ''] = /`(new Ollama\([^`]+\))`/.exec(page('README.md')) ?? []
    const make = new Function('Ollama', 'KEY', `return ${snippet.replace(BASE, demo.url)}`) as (sdk: typeof Ollama, key: string) => Ollama // the README's own words
    const ollama = make(Ollama, demo.key)
    expect((await ollama.list()).models.map(({ name }) => name)).toContain('stand-in:latest')
    const { response } = await ollama.generate({ model: 'stand-in', prompt: 'Hello', options: { num_predict: 5 } })
    expect(response).not.toBe('')
  })
})

describe.skipIf(lacking)(named('the examples of docs/services.md', lacking), () => {
  const examples = partsOf(page('docs/services.md'))
    .blocks.filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => lines(text))

  /** What each answers, in order; null for those that write a file. */
  const ANSWERS: readonly (RegExp | null)[] = [
    /"done":true/,
    /^(?!null).{20,}/,
    /^2\n$/,
    null,
    /^en-US-JennyNeural$/m,
    null,
    null,
    /^2\n$/,
    /^Euler a$/m,
    /"task":"transcribe","language":"en".*"segments":\[\{"id"/,
    /^1\n00:00:00,000 --> /,
    /"total":1,"next":null\}/,
  ]

  it('run as they stand, and answer what the page says', { timeout: 60_000 }, async () => {
    expect(examples.length).toBe(ANSWERS.length)
    for (const [index, line] of examples.entries()) {
      const answer = ANSWERS[index]
      expect([line, await paste(line)]).toEqual([line, { status: 0, out: answer ? expect.stringMatching(answer) : '', err: '' }])
    }
    expect(readWav(made('morning.audio'))).not.toBeNull()
    expect(pngSides(made('castle.png'))).toEqual([320, 192])
    expect(pngSides(made('lighthouse.png'))).toEqual([512, 512])
  })

  it('runs from the SDK', async () => {
    const code = block(page('docs/services.md'), 'js').replace(BASE, demo.url)
    const ran = await start(process.execPath, ['--input-type=module', '-e', code], { env: { KEY: demo.key } }).ended
    expect(ran).toMatchObject({ status: 0, err: '', out: expect.stringMatching(/stand-in/i) })
  })

  it('answers HEAD where it answers GET', async () => {
    const { out } = await paste(`curl -I ${BASE}/chat/api/tags -H "X-API-Key: $KEY"`)
    expect(out).toMatch(/^HTTP\/1\.1 200/)
  })
})

describe('scripts', () => {
  it.each(['apikey', 'analyze-logs', 'demo'])('%s works through a link and from any directory', async (name) => {
    const link = join(place.dir, `linked-${name}`)
    symlinkSync(join(ROOT, 'scripts', name), link)
    for (const called of [link, `./linked-${name}`, `scripts/${name}`]) {
      const ran = await start('sh', ['-c', `${called} --help`], { cwd: place.dir }).ended
      expect([called, ran.status, ran.err, ran.out]).toEqual([
        called,
        0,
        '',
        expect.stringMatching(/^Usage: portcullis (?:key|report|demo) /),
      ])
    }
  })

  it('writes nowhere but where it is told', () => {
    const files = readdirSync(place.dir).filter((name) => !name.startsWith('portcullis-demo-'))
    const told = [
      '.curlrc',
      'castle.png',
      'hello.audio',
      'lighthouse.png',
      'morning.audio',
      'scripts',
      ...['analyze-logs', 'apikey', 'demo'].map((name) => `linked-${name}`),
    ]
    expect(files.filter((name) => !told.includes(name))).toEqual([])
  })
})
