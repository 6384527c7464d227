import type { IncomingHttpHeaders } from 'node:http'
import type { Protocol } from '../catalog/index.ts'
import { expectedTokens, passPlan, type ReadBody, refuseRemote, type Writes } from '../dialects/index.ts'
import type { Visit } from '../gate/index.ts'
import { GatewayError, LIMITS } from '../kernel/index.ts'
import { readV1 } from './body.ts'
import { findModel } from './find-model.ts'
import { lifeOf } from './life.ts'
import type { FaceParts, Prepare } from './parts.ts'

/** Chat, completions, responses, messages and embeddings: the endpoint speaks the caller's protocol, and the bytes pass. */
export function prepareText(protocol: TextProtocol, { models, heartbeatMs }: FaceParts): Prepare {
  return async (visit, room) => {
    const body = await readV1(visit, room, LIMITS.chatBodyBytesMax)
    const { stream } = body.fields
    if (stream !== undefined && stream !== null && typeof stream !== 'boolean') {
      throw new GatewayError('BODY_INVALID', { detail: '"stream" must be true or false', hints: { param: 'stream' } })
    }
    const model = findModel(models, visit.principal, body.fields.model, protocol)
    visit.model = model.name
    visit.demand = { model, price: model.price, ...expectedTokens(withDefaults(body, model.options), kindOf(protocol)) }
    const mayManage = visit.principal?.rights.has('manage:chat') ?? false
    const headers = protocol === 'messages' ? anthropicHeaders(visit) : NO_HEADERS
    return {
      model,
      protocol,
      planAt({ endpoint, upstream }, { options }) {
        if (endpoint.remote === 'refuse') refuseRemote(body, protocol)
        return passPlan({ protocol, endpoint, mayManage, body, upstream, name: model.name, options, headers })
      },
      life: stream === true && protocol !== 'embeddings' ? lifeOf(protocol, heartbeatMs, visit.envelope.id) : null,
    }
  }
}

type TextProtocol = Extract<Protocol, Writes | 'embeddings'>
const kindOf = (protocol: TextProtocol): Writes | 'embeds' => (protocol === 'embeddings' ? 'embeds' : protocol)

/** What is sent where the caller says nothing bounds an answer as well. */
const withDefaults = (body: ReadBody, options: Readonly<Record<string, unknown>>): ReadBody =>
  Object.keys(options).length === 0 ? body : { ...body, fields: { ...options, ...body.fields } }

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({})
const VERSION = '2023-06-01'
const HEADER_VALUE = /^[\x20-\x7e]{1,512}$/

/** Which edition of its protocol the caller speaks; the endpoint must know, and answers by it. */
function anthropicHeaders({ envelope }: Visit): Readonly<Record<string, string>> {
  const { headers } = envelope.incoming
  const beta = textOf(headers, 'anthropic-beta')
  return { 'anthropic-version': textOf(headers, 'anthropic-version') ?? VERSION, ...(beta !== null && { 'anthropic-beta': beta }) }
}

function textOf(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name]
  return typeof value === 'string' && HEADER_VALUE.test(value) ? value : null
}
