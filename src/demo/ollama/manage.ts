import { createHash } from 'node:crypto'
import { asFields, asText, type Fields } from '../http/body.ts'
import { type Call, type Handler, pause, Refusal, send, sendJson } from '../http/serve.ts'
import { findModel, modelName, readFields, streams } from './fields.ts'
import { digestOf, type Library, type Model } from './library.ts'

const LAYER_BYTES = 4_194_304
const LAYER_STEPS = 8

export interface ManageParts {
  readonly library: Library
  /** Between two lines of progress. */
  readonly stepMs: number
}

export function manageRoutes(parts: ManageParts): Readonly<Record<string, Handler>> {
  const { library } = parts
  return {
    'POST /api/pull': (call) => pull(call, parts),
    'POST /api/push': (call) => push(call, parts),
    'POST /api/create': (call) => create(call, parts),
    'POST /api/copy': (call) => copy(call, library),
    'DELETE /api/delete': (call) => remove(call, library),
  }
}

/** Progress as NDJSON, or one last line as JSON when the caller does not want to watch. */
async function report(call: Call, fields: Fields, lines: readonly Fields[], stepMs: number): Promise<void> {
  if (!streams(fields)) {
    await pause(stepMs, call.left)
    sendJson(call.res, 200, { status: 'success' }, 'application/json; charset=utf-8')
    return
  }
  call.res.writeHead(200, { 'content-type': 'application/x-ndjson' })
  for (const line of lines) {
    await send(call, `${JSON.stringify(line)}\n`)
    await pause(stepMs, call.left)
  }
  call.res.end('{"status":"success"}\n')
}

function layer(status: string, name: string): readonly Fields[] {
  const digest = digestOf(`layer ${name}`)
  return Array.from({ length: LAYER_STEPS }, (_value, step) => ({
    status: `${status} ${digest.slice(0, 12)}`,
    digest: `sha256:${digest}`,
    total: LAYER_BYTES,
    completed: (LAYER_BYTES * (step + 1)) / LAYER_STEPS,
  }))
}

const said = (...texts: readonly string[]): readonly Fields[] => texts.map((status) => ({ status }))

/** Nothing is fetched: the name joins the list and is answered by the stand-in. */
async function pull(call: Call, { library, stepMs }: ManageParts): Promise<void> {
  const fields = await readFields(call)
  const name = modelName(fields)
  if (name === '') throw new Refusal(400, { error: 'invalid model name' })
  const after = said('verifying sha256 digest', 'writing manifest', 'removing any unused layers')
  await report(call, fields, [...said('pulling manifest'), ...layer('pulling', name), ...after], stepMs)
  library.add(name)
}

async function push(call: Call, { library, stepMs }: ManageParts): Promise<void> {
  const fields = await readFields(call)
  const { name } = findModel(library, modelName(fields))
  await report(call, fields, [...said('retrieving manifest'), ...layer('pushing', name), ...said('pushing manifest')], stepMs)
}

async function create(call: Call, { library, stepMs }: ManageParts): Promise<void> {
  const fields = await readFields(call)
  const name = modelName(fields)
  if (name === '') throw new Refusal(400, { error: 'invalid model name' })
  const from = asText(fields.from)
  const files = Object.values(asFields(fields.files) ?? {}).map(asText)
  if (from === '' && files.length === 0) throw new Refusal(400, { error: "neither 'from' or 'files' was specified" })
  const lacking = files.find((digest) => !library.blobs.has(digest))
  if (lacking !== undefined) throw new Refusal(400, { error: `blob ${lacking} was not uploaded` })
  const base: Model | null = from === '' ? null : findModel(library, from)
  const steps = [base ? `using existing layer sha256:${base.digest}` : 'parsing GGUF', 'writing manifest']
  await report(call, fields, said(...steps), stepMs)
  library.add(name, { abilities: base?.abilities ?? ['completion'], system: asText(fields.system) })
}

async function copy(call: Call, library: Library): Promise<void> {
  const fields = await readFields(call)
  const source = asText(fields.source)
  if (asText(fields.destination) === '') throw new Refusal(400, { error: 'destination "" is invalid' })
  library.copy(findModel(library, source, `model "${source}" not found`), asText(fields.destination))
  call.res.writeHead(200, { 'content-length': 0 }).end()
}

async function remove(call: Call, library: Library): Promise<void> {
  library.remove(findModel(library, modelName(await readFields(call))))
  call.res.writeHead(200, { 'content-length': 0 }).end()
}

/** `sha256:` or `sha256-` and the digest; null when the path is none of a blob. */
export function blobDigest(path: string): string | null {
  const hex = /^\/api\/blobs\/sha256[:-]([0-9a-f]{64})$/.exec(path)?.[1]
  return hex === undefined ? null : `sha256:${hex}`
}

/** Only the digest is kept: a stand-in has no use for gigabytes. */
export async function blob(call: Call, library: Library, digest: string): Promise<void> {
  const { req, res } = call
  if (req.method === 'HEAD' || library.blobs.has(digest)) {
    req.resume()
    res.writeHead(library.blobs.has(digest) ? 200 : 404, { 'content-length': 0 }).end()
    return
  }
  const hash = createHash('sha256')
  for await (const part of req) hash.update(part)
  const got = `sha256:${hash.digest('hex')}`
  if (got !== digest) throw new Refusal(400, { error: `digest mismatch, expected "${digest}", got "${got}"` })
  library.blobs.add(digest)
  res.writeHead(201, { 'content-length': 0 }).end()
}
