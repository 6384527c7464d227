import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Hono } from 'hono'
import type { Protocol } from '../catalog/index.ts'
import { v1Path } from '../dialects/index.ts'
import { answer, type Corridor, type Perform, type Policy, type ToModel } from '../gate/index.ts'
import { type Envelope, type ErrorShape, type ExactRoutes, envelopeOf, type GateEnv } from '../http/index.ts'
import { GatewayError, type Right } from '../kernel/index.ts'
import { prepareEdits, prepareImages } from './images.ts'
import { listModels, showModel } from './list.ts'
import { type ListParts, mountOpenLists } from './lists/routes.ts'
import type { FaceParts, Prepare } from './parts.ts'
import { prepareSpeech } from './speech.ts'
import { prepareText } from './text.ts'
import { prepareTranscription } from './transcription.ts'

export interface V1Parts extends FaceParts, ListParts {
  readonly corridor: Corridor
  readonly toModel: ToModel
}

interface Row {
  readonly protocol: Protocol
  readonly right: Right
  readonly prepare: (parts: FaceParts) => Prepare
}

/** What can be asked of a model, and the right that it takes. */
const ROWS: readonly Row[] = [
  { protocol: 'chat', right: 'text', prepare: (parts) => prepareText('chat', parts) },
  { protocol: 'completions', right: 'text', prepare: (parts) => prepareText('completions', parts) },
  { protocol: 'responses', right: 'text', prepare: (parts) => prepareText('responses', parts) },
  { protocol: 'messages', right: 'text', prepare: (parts) => prepareText('messages', parts) },
  { protocol: 'embeddings', right: 'embedding', prepare: (parts) => prepareText('embeddings', parts) },
  { protocol: 'speech', right: 'speech', prepare: prepareSpeech },
  { protocol: 'transcriptions', right: 'transcription', prepare: (parts) => prepareTranscription('transcriptions', parts) },
  { protocol: 'translations', right: 'transcription', prepare: (parts) => prepareTranscription('translations', parts) },
  { protocol: 'images', right: 'image', prepare: prepareImages },
  { protocol: 'edits', right: 'image', prepare: prepareEdits },
]

type Enter = (envelope: Envelope) => Promise<void>

const MODELS = '/v1/models'

/** In which shape a path below /v1 tells its errors. */
export const v1Errors = (path: string): ErrorShape =>
  path === v1Path('messages') || path.startsWith(`${v1Path('messages')}/`) ? 'anthropic' : 'openai'

const policyOf = (right: Policy['right'], route: string): Policy => ({
  who: 'key',
  right,
  service: 'v1',
  route,
  errors: v1Errors(route),
  tellsLimits: true,
})

/** The /v1 face. What it returns are the handlers by the exact path of their row; Hono has the same for every other spelling. */
export function mountV1(app: Hono<GateEnv>, parts: V1Parts): ExactRoutes {
  const exact = new Map<string, Enter>()
  const mount = (method: 'GET' | 'POST', path: string, enter: Enter): void => {
    app.on(method, path, async (c) => {
      await enter(envelopeOf(c.env.incoming))
      return RESPONSE_ALREADY_SENT
    })
    if (!path.includes(':')) exact.set(`${method} ${path}`, enter)
  }
  for (const { protocol, right, prepare } of ROWS)
    mount('POST', v1Path(protocol), asks(parts, policyOf(right, v1Path(protocol)), prepare(parts)))
  mountLists(mount, parts)
  mountOpenLists(app, parts, RESPONSE_ALREADY_SENT, (route) => policyOf('any', route))
  return exact
}

/** A route that is carried to a model: its body says which. */
function asks({ corridor, toModel }: V1Parts, policy: Policy, prepare: Prepare): Enter {
  const reading: Policy = {
    ...policy,
    body: (visit, room) =>
      prepare(visit, room).then((ask) => {
        visit.ask = ask
      }),
  }
  const perform: Perform = (visit) => {
    if (visit.ask === null) throw new Error('admitted without a body that was read')
    return toModel(visit, visit.ask)
  }
  return (envelope) => corridor.admit(envelope, reading, perform)
}

function mountLists(mount: (method: 'GET', path: string, enter: Enter) => void, { corridor, models }: V1Parts): void {
  const list = policyOf('any', MODELS)
  const one = policyOf('any', `${MODELS}/:id`)
  mount('GET', MODELS, (envelope) => corridor.admit(envelope, list, (visit) => answer(visit, () => listModels(models, visit.principal))))
  mount('GET', `${MODELS}/:id{.+}`, (envelope) =>
    corridor.admit(envelope, one, (visit) => answer(visit, () => showModel(models, visit.principal, idIn(envelope.path)))),
  )
}

/** Ids hold slashes, and clients write them as they are or as `%2F`. */
function idIn(path: string): string {
  try {
    return decodeURIComponent(path.slice(MODELS.length + 1))
  } catch {
    throw new GatewayError('BAD_PATH', { reason: 'an id of a model that is no UTF-8' })
  }
}
