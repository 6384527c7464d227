import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type GatewayPlace, gatewayPlace, startTestGateway, verifyPlace } from '../support/gateway.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { ask, FORM_END, FORM_TYPE, partHead } from '../support/media.ts'
import { type Listening, listen } from '../support/server.ts'
import { until } from '../support/until.ts'

const MiB = 1024 * 1024
const LONG = process.env.PORTCULLIS_LONG === '1'
const FORM_MIB = LONG ? 42 : 30
const KEYS = LONG ? 4 : 2
/** One key may have a quarter of the room. */
const FORMS = KEYS * (LONG ? 3 : 4)
/** Once as what is held, and once more as the chunks that it came in, until V8 looks. A copy of each, or its base64, would be three times and more. */
const TIMES_MAX = 2.3
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII='
const PICTURE = Buffer.alloc(FORM_MIB * MiB, 'a picture of a gate, ')
const FORM = Buffer.concat([
  ...['model', 'prompt'].map((name) => Buffer.from(`${partHead(name)}${name === 'model' ? 'MODEL' : 'a gate'}\r\n`)),
  Buffer.from(partHead('image', 'gate.png')),
  PICTURE,
  Buffer.from(`\r\n${FORM_END}`),
])

const answer = (response: ServerResponse): void => {
  const body = { images: [PNG], parameters: {}, info: '{}', data: [{ b64_json: PNG }] }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

let backend: Listening
let place: GatewayPlace
let gate: GatewayProcess
let keys: readonly string[]
let idleMiB = 0
/** Bytes of each body that came, and who waits for an answer. */
const came: number[] = []
const waiting: ServerResponse[] = []
let isOpen = false
beforeAll(async () => {
  backend = await listen(
    createServer((request, response) => {
      let bytes = 0
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      request.on('end', () => {
        if (request.method === 'POST') came.push(bytes)
        if (request.method === 'GET' || isOpen) answer(response)
        else waiting.push(response)
      })
    }),
  )
  place = gatewayPlace({
    CHAT_ENABLED: 'false',
    DISCOVERY: 'false',
    IMAGE_ENABLED: 'true',
    IMAGE_URL: backend.url,
    LOG_LEVEL: 'info',
    MALLOC_TRIM_THRESHOLD_: '1048576', // as the program's first line sets it
  })
  const house = await startTestGateway({}, place)
  keys = await Promise.all(Array.from({ length: KEYS }, async () => (await house.key({ rights: ['image'] })).text))
  const { endpoints, models } = house.gateway.house.models.manage
  await endpoints.create({ name: 'cloud', url: `${backend.url}/v1`, dialect: 'openai', concurrency: 1 })
  for (const [name, endpoint] of [
    ['brush', 'builtin:image'],
    ['pencil', 'cloud'],
  ] as const)
    await models.create({ name, capability: 'image', endpoints: [{ endpoint, upstream: null }] })
  await house.gateway.drain('all is made')
  gate = await startGatewayProcess(place)
  idleMiB = gate.rssMiB()
})
afterAll(async () => {
  await gate.stop()
  await verifyPlace(place)
  place.remove()
  await backend.close()
})

const intents = (): number => readFileSync(place.ledgerFile, 'utf8').split('"event":"intent"').length - 1
const forgetPeak = (): void => writeFileSync(`/proc/${gate.pid}/clear_refs`, '5')
const peakMiB = (): number => Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${gate.pid}/status`, 'utf8'))?.[1]) / 1024

it.each([
  ['as base64 to AUTOMATIC1111', 'brush', 1.3],
  ['as a form to an endpoint of the same protocol', 'pencil', 1],
])(
  'forms with pictures that wait for their turn, %s, take no memory for what is sent only later',
  async (_how, model, growth) => {
    isOpen = false
    came.length = 0
    const before = intents()
    forgetPeak()
    const body = Buffer.from(FORM.toString('latin1').replace('MODEL', model), 'latin1')
    const answers = Array.from({ length: FORMS }, (_none, n) =>
      ask(gate.port, {
        path: '/v1/images/edits',
        key: keys[n % KEYS] ?? '',
        body,
        headers: { 'content-type': FORM_TYPE },
        withinMs: 90_000,
      }),
    )
    await until(() => intents() - before === FORMS && waiting.length === 1, { withinMs: 60_000, what: 'all forms but one to wait' })
    const held = gate.rssMiB()
    isOpen = true
    waiting.splice(0).forEach(answer)
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array.from({ length: FORMS }, () => 200))
    for (const bytes of came) expect(bytes / FORM.length).toBeGreaterThan(growth)
    const peak = peakMiB()
    process.stdout.write(
      `${FORMS} forms of ${FORM_MIB} MiB for ${model} that wait for one place: RSS ${idleMiB.toFixed(0)} MiB at the start, ${held.toFixed(0)} while they wait, at most ${peak.toFixed(0)}\n`,
    )
    expect((peak - idleMiB) / (FORMS * FORM_MIB)).toBeLessThan(TIMES_MAX)
  },
  120_000,
)
