import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { demoCommand } from '../../src/cli/demo.ts'
import { readWav, startStandIns } from '../../src/demo/index.ts'
import { call } from '../support/caller.ts'
import { type RunningDemo, startDemo } from '../support/demo.ts'
import { freePort, freePorts } from '../support/free-port.ts'
import {
  lackingPrograms,
  type ProgramOptions,
  portcullis,
  type Scratch,
  scratch,
  shell,
  start,
  startPortcullis,
} from '../support/program.ts'
import { listen } from '../support/server.ts'
import { speechOpenai } from '../support/speech-openai.ts'
import { named } from '../support/tools.ts'
import { until } from '../support/until.ts'
import { whisperOpenai } from '../support/whisper-openai.ts'

const START_MS_MAX = 10_000

/** The demo's own directories in a scratch directory. */
const left = ({ dir }: Scratch): string[] => readdirSync(dir).filter((name) => name.startsWith('portcullis-'))
const isPng = (bytes: Buffer): boolean => bytes.subarray(0, 8).equals(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'))
const summary = (text: string): string => text.replaceAll(/ +/g, ' ')

/** The loudest sample of a WAV file, from 0 to 1. */
function loudest(bytes: Buffer): number {
  const wav = readWav(bytes)
  if (wav === null) throw new Error('no WAV file')
  let peak = 0
  for (let at = wav.dataAt; at + 1 < bytes.length; at += 2) peak = Math.max(peak, Math.abs(bytes.readInt16LE(at)) / 32_768)
  return peak
}

/** A demo that ends with its test, however that ends. */
async function demoOf(args: readonly string[], options: ProgramOptions): Promise<RunningDemo> {
  const demo = await startDemo(args, options)
  onTestFinished(() => demo.program.kill())
  return demo
}

let place: Scratch
beforeEach(() => {
  place = scratch('demo')
})
afterEach(() => place.remove())

const noCurl = lackingPrograms('curl')

describe.skipIf(noCurl)(named('npm run demo', noCurl), () => {
  let home: Scratch
  let demo: RunningDemo
  let startedMs: number
  beforeAll(async () => {
    home = scratch('demo-lines')
    const port = await freePort()
    const begun = performance.now()
    // As a person starts it: npm in a group of its own, because a terminal's Ctrl-C goes to all of the group.
    const npm = start('npm', ['run', 'demo', '--', '--port', String(port)], {
      env: { ...home.env, NPM_CONFIG_UPDATE_NOTIFIER: 'false' },
      group: true,
    })
    demo = await startDemo([], {}, npm)
    startedMs = performance.now() - begun
  })
  afterAll(async () => {
    await demo.program.kill()
    home.remove()
  })

  it(`is there within ${START_MS_MAX / 1_000} s, with stand-ins that say so`, () => {
    process.stdout.write(`demo: started in ${Math.round(startedMs)} ms\n`)
    expect(startedMs).toBeLessThan(START_MS_MAX)
    expect(demo.program.out().match(/^ {2}\/\w+ +a stand-in, made for this demo$/gm)).toHaveLength(4)
    expect(demo.key).toMatch(/^pcl_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/)
  })

  it('prints seven lines that work when pasted, from anywhere', async () => {
    expect(demo.lines).toHaveLength(7)
    const [chat = '', speech = '', picture = '', transcript = '', report = '', models = '', another = ''] = demo.lines
    const paste = (line: string) => shell(line, { cwd: place.dir, env: { HOME: place.dir } })

    const streamed = await paste(chat)
    const objects = streamed.out
      .trim()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line))
    expect([streamed.status, streamed.err]).toEqual([0, ''])
    expect(objects.length).toBeGreaterThan(5)
    expect(objects.at(-1)).toMatchObject({ done: true, done_reason: 'stop' })
    expect(objects.map(({ response }) => response).join('')).toMatch(/stand-in/i)

    const spoken = await paste(speech)
    expect([spoken.status, spoken.err]).toEqual([0, ''])
    expect(loudest(readFileSync(join(demo.dir, 'hello.wav')))).toBeGreaterThan(0.1)
    expect(spoken.out).toContain(join(demo.dir, 'hello.wav'))

    expect(await paste(picture)).toMatchObject({ status: 0, err: '' })
    expect(isPng(readFileSync(join(demo.dir, 'castle.png')))).toBe(true)

    const heard = await paste(transcript)
    expect([heard.status, heard.err]).toEqual([0, ''])
    expect(JSON.parse(heard.out)).toEqual({ text: expect.stringMatching(/stand-in.*WAV file/) })

    const told = await paste(report)
    expect([told.status, told.err]).toEqual([0, ''])
    for (const count of [/chat 1\b/, /tts 1\b/, /image 1\b/, /whisper 1\b/]) expect(summary(told.out)).toMatch(count)
    const listed = await until(
      async () => {
        const { out } = await paste(models)
        return out.includes('whisper-1') ? out : null
      },
      { withinMs: 10_000, what: 'the models to appear by themselves' },
    )
    const { data } = JSON.parse(listed) as { data: { id: string }[] }
    expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining(['stand-in:latest', 'tts-1', 'stable-diffusion', 'whisper-1']))

    const made = await paste(another)
    expect([made.status, made.err]).toEqual([0, expect.stringContaining(`store: ${join(demo.dir, 'data')} (the running gateway)`)])
    const key = made.out.trim()
    expect(key).not.toBe(demo.key)
    const asked = () => call(demo.port, { path: '/v1/models', key })
    expect([(await asked()).status, (await asked()).status]).toEqual([200, 429])

    expect(readdirSync(place.dir)).toEqual([]) // nothing is left where they were pasted
  })

  it('takes the next port when its own is taken, and says so', async () => {
    const second = await demoOf(['--port', String(demo.port)], place)
    expect(second.port).toBeGreaterThan(demo.port)
    expect(second.program.out()).toContain(`Port ${demo.port} is taken by another program, so the demo runs on ${second.port}.\n`)
    second.program.signal('SIGINT')
    expect(await second.program.ended).toMatchObject({ status: 0, err: '' })
    expect(left(place)).toEqual([])
  })

  // Last, because it ends what the others use.
  it('ends with Ctrl-C, and leaves nothing', async () => {
    expect(left(home)).toHaveLength(1)
    demo.program.signal('SIGINT')
    const { status, out, err } = await demo.program.ended
    expect(err.replaceAll(/^npm .*\n/gm, '')).toBe('')
    expect(out).toMatch(/Ending the demo/)
    expect(status).toBe(0)
    expect(left(home)).toEqual([])
    expect((await shell(`curl -sS ${demo.url}/health`)).status).toBe(7) // nobody listens
  })
})

describe.skipIf(noCurl)(named('a demo that is ended early', noCurl), () => {
  it('leaves nothing when that is while it starts', async () => {
    const program = startPortcullis(['demo', '--port', '0'], place)
    await until(() => left(place).length > 0, { withinMs: 10_000, what: 'the directory of the demo' })
    program.signal('SIGINT')
    expect(await program.ended).toMatchObject({ status: 0, err: '' })
    expect(left(place)).toEqual([])
  })

  it('lets a stream finish', async () => {
    const demo = await demoOf(['--port', '0'], place)
    const stream = start('sh', ['-c', demo.lines[0] ?? ''])
    await stream.said(/"done":false/)
    demo.program.signal('SIGINT')
    expect((await stream.ended).out).toContain('"done":true')
    expect((await demo.program.ended).status).toBe(0)
    expect(left(place)).toEqual([])
  })

  it('cuts what would take long at the second Ctrl-C', async () => {
    const demo = await demoOf(['--port', '0'], place)
    const job = `curl -sS ${demo.url}/image/api/generate -H 'X-API-Key: ${demo.key}' -d '{"prompt":"a cathedral","steps":150,"batch_size":4}'`
    const picture = start('sh', ['-c', job])
    const inFlight = async (): Promise<number> => JSON.parse((await call(demo.port, { path: '/status' })).body).in_flight
    await until(async () => (await inFlight()) > 1, { withinMs: 10_000, what: 'the job to run' })
    demo.program.signal('SIGINT')
    await demo.program.said(/Ctrl-C once more cuts it/)
    demo.program.signal('SIGINT')
    expect((await demo.program.ended).status).toBe(0)
    expect(await picture.ended).toMatchObject({ status: 52, out: '' }) // curl's word for an empty answer
    expect(left(place)).toEqual([])
  })
})

describe.skipIf(noCurl)(named('demo --real', noCurl), () => {
  let closed: Readonly<Record<string, string>>
  beforeEach(async () => {
    const [ollama, tts, image, whisper] = await freePorts(4)
    const at = (port: number | undefined): string => `http://127.0.0.1:${port}`
    closed = { OLLAMA_URL: at(ollama), TTS_URL: at(tts), IMAGE_URL: at(image), WHISPER_URL: at(whisper) }
  })

  it('says that nothing real answers, and why, and runs on stand-ins', async () => {
    const demo = await demoOf(['--real', '--port', '0'], { env: { ...place.env, ...closed } })
    expect(demo.program.out()).toContain('None of the real backends answers, so stand-ins take all their places.')
    for (const url of Object.values(closed))
      expect(demo.program.out()).toContain(`a stand-in, made for this demo, because ${url} refused the connection: nothing listens there.`)
    expect(await shell(demo.lines[0] ?? '')).toMatchObject({ status: 0, err: '', out: expect.stringContaining('"done":true') })
    demo.program.signal('SIGTERM')
    expect((await demo.program.ended).status).toBe(0)
    expect(left(place)).toEqual([])
  })

  it('uses those that answer, in their own dialects and with their credentials, and a model that is there', async () => {
    const real = await startStandIns({ tokensPerSecond: Number.POSITIVE_INFINITY })
    const [speech, hearing] = [await speechOpenai({ apiKey: 'of-the-speech-server' }), await whisperOpenai({ apiKey: 'of-the-other' })]
    const secret = (name: string, value: string): string => {
      const file = join(place.dir, name)
      writeFileSync(file, value, { mode: 0o600 })
      return file
    }
    const env = {
      ...place.env,
      ...closed,
      OLLAMA_URL: real.ollama.url,
      TTS_URL: speech.url,
      TTS_DIALECT: 'openai',
      TTS_AUTH_VALUE_FILE: secret('speech', 'Bearer of-the-speech-server'),
      WHISPER_URL: hearing.url,
      WHISPER_DIALECT: 'openai',
      WHISPER_AUTH_VALUE_FILE: secret('hearing', 'Bearer of-the-other'),
    }
    try {
      const demo = await demoOf(['--real', '--port', '0'], { env })
      for (const { url } of [real.ollama, speech, hearing]) expect(demo.program.out()).toMatch(new RegExp(`^ {2}/[a-z]+ +${url}$`, 'm'))
      expect(demo.program.out()).toMatch(/ {2}\/image +a stand-in, made for this demo, because/)
      for (const line of demo.lines.slice(0, 6))
        expect([line, await shell(line)]).toEqual([line, expect.objectContaining({ status: 0, err: '' })])
      expect([speech.asked.length, hearing.asked.length]).toEqual([1, 1])
      demo.program.signal('SIGINT')
      expect((await demo.program.ended).status).toBe(0)
    } finally {
      await Promise.all([real, speech, hearing].map((server) => server.close()))
    }
  })

  it('names the faults of a configuration that it should use, before it makes anything', async () => {
    const ran = await portcullis(['demo', '--real'], { env: { ...place.env, OLLAMA_URL: 'nonsense', LOG_LEVEL: 'loud' } })
    expect(ran.status).toBe(2)
    expect(ran.err).toMatch(/^The configuration has 2 faults:\n {2}LOG_LEVEL: want one of trace.*\n {2}OLLAMA_URL: want an http/)
    expect(left(place)).toEqual([])
  })
})

describe('demo --port', () => {
  it.each(['eighty', '65536', '-1', ''])('wants a port, and %j is none', (port) => {
    const command = demoCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
    expect(() => command.parse([`--port=${port}`], { from: 'user' })).toThrow('want a port from 0 to 65535.')
  })

  it('says when there is no port left', async () => {
    const taken = await listen(createServer(), 65_535).catch(() => null) // whoever has it, it is taken
    const ran = await portcullis(['demo', '--port', '65535'], place)
    await taken?.close()
    expect(ran.status).toBe(3)
    expect(ran.err).toBe('The ports from 65535 to 65535 are all taken; choose another: npm run demo -- --port 9000\n')
    expect(left(place)).toEqual([])
  })
})
