import type { Clock } from '../../kernel/index.ts'
import { type Call, type Handler, type StandIn, sendJson, sendText, serve } from '../http/serve.ts'
import { findModel, modelName, readFields } from './fields.ts'
import { inferRoutes } from './infer.ts'
import { createLibrary, type Library, type Model } from './library.ts'
import { blob, blobDigest, manageRoutes } from './manage.ts'
import { passesManners } from './manners.ts'
import { modelInPath, showModel } from './openai/models.ts'
import { openaiRefusals } from './openai/refusals.ts'
import { compatibleRoutes } from './openai/routes.ts'

export interface TextOptions {
  readonly port?: number
  readonly clock: Clock
  readonly tokensPerSecond: number
}

const JSON_UTF8 = 'application/json; charset=utf-8'
const VERSION = '0.33.0-stand-in'

/** Ollama's interfaces, its own and the ones it has for clients of others, in front of a text that says it comes from no model. */
export function startTextStandIn({ port = 0, clock, tokensPerSecond }: TextOptions): Promise<StandIn> {
  const library = createLibrary(clock)
  const routes: Readonly<Record<string, Handler>> = {
    ...readRoutes(library),
    ...inferRoutes({ library, clock, tokensPerSecond }),
    ...compatibleRoutes({ library, clock, tokensPerSecond }),
    ...manageRoutes({ library, stepMs: 1_000 / tokensPerSecond }),
  }
  return serve((call) => answer(call, routes, library), { port })
}

const METHODS = ['GET', 'HEAD', 'POST', 'DELETE'] as const

async function answer(call: Call, routes: Readonly<Record<string, Handler>>, library: Library): Promise<void> {
  if (!passesManners(call)) return
  const { req, res } = call
  const path = decoded(call.path)
  const digest = blobDigest(path)
  if (digest !== null && (req.method === 'HEAD' || req.method === 'POST')) return blob(call, library, digest)
  const model = req.method === 'GET' ? modelInPath(path) : null
  if (model !== null) return openaiRefusals(() => showModel(call, library, model))(call)
  const handler = routes[`${req.method} ${path}`]
  if (handler !== undefined) return handler(call)
  const known = METHODS.some((method) => routes[`${method} ${path}`] !== undefined)
  sendText(res, known ? 405 : 404, known ? '405 method not allowed' : '404 page not found', 'text/plain')
}

/** gin matches the decoded path, so `/api%2Fdelete` deletes: whoever stands in front has to know. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

function readRoutes(library: Library): Readonly<Record<string, Handler>> {
  const running: Handler = ({ res }) => sendText(res, 200, 'Ollama is running')
  const version: Handler = ({ res }) => sendJson(res, 200, { version: VERSION }, JSON_UTF8)
  const tags: Handler = ({ res }) => sendJson(res, 200, { models: library.list().map(tagOf) }, JSON_UTF8)
  return {
    'GET /': running,
    'HEAD /': running,
    'GET /api/version': version,
    'HEAD /api/version': version,
    'GET /api/tags': tags,
    'HEAD /api/tags': tags,
    'GET /api/ps': ({ res }) => sendJson(res, 200, { models: library.loaded().map(loadedOf) }, JSON_UTF8),
    'POST /api/show': (call) => show(call, library),
  }
}

const DETAILS = {
  parent_model: '',
  format: 'stand-in',
  family: 'stand-in',
  families: ['stand-in'],
  parameter_size: '0B',
  quantization_level: 'none',
}

const tagOf = ({ name, modifiedAt, size, digest, abilities }: Model) => ({
  name,
  model: name,
  modified_at: modifiedAt,
  size,
  digest,
  details: DETAILS,
  capabilities: abilities,
})

const loadedOf = ({ model: { name, size, digest }, expiresAt }: { model: Model; expiresAt: string }) => ({
  name,
  model: name,
  size,
  digest,
  details: DETAILS,
  expires_at: expiresAt,
  size_vram: 0,
  context_length: 4_096,
})

async function show(call: Call, library: Library): Promise<void> {
  const model = findModel(library, modelName(await readFields(call)))
  const answer = {
    license: 'None: this is a stand-in, there are no weights.',
    modelfile: `# A stand-in. It echoes its prompt and knows nothing.\nFROM ${model.name}\n`,
    parameters: '',
    template: '{{ .Prompt }}',
    system: model.system,
    details: DETAILS,
    model_info: { 'general.architecture': 'stand-in', 'general.parameter_count': 0 },
    capabilities: model.abilities,
    modified_at: model.modifiedAt,
  }
  sendJson(call.res, 200, answer, JSON_UTF8)
}
