import { openaiSpeechInput } from '../contract/index.ts'
import { operationOf, passesThrough, passPlan, type ReadBody, refuseRemote, spokenCharacters } from '../dialects/index.ts'
import { readInput } from '../gate/index.ts'
import { GatewayError, LIMITS } from '../kernel/index.ts'
import { readV1 } from './body.ts'
import { findModel } from './find-model.ts'
import type { FaceParts, Prepare } from './parts.ts'

/** `POST /v1/audio/speech`. */
export function prepareSpeech({ models }: FaceParts): Prepare {
  return async (visit, room) => {
    const body = await readV1(visit, room, LIMITS.speechBodyBytesMax)
    const model = findModel(models, visit.principal, body.fields.model, 'speech')
    visit.model = model.name
    const units = charactersOf(body)
    visit.demand = { model, price: model.price, least: units, most: units }
    return {
      model,
      protocol: 'speech',
      planAt({ endpoint, upstream }, { options }) {
        if (passesThrough(endpoint.dialect)) {
          if (endpoint.remote === 'refuse') refuseRemote(body, 'speech')
          const plan = passPlan({
            protocol: 'speech',
            endpoint,
            mayManage: false,
            body,
            upstream,
            name: model.name,
            options,
            headers: NO_HEADERS,
          })
          return { ...plan, units }
        }
        return operationOf(endpoint.dialect, 'speech')(speechOf({ ...options, ...body.fields }, upstream))
      },
      life: null, // nothing can be put between the bytes of a sound
    }
  }
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({})

const charactersOf = ({ fields: { input } }: ReadBody) => spokenCharacters(typeof input === 'string' ? input : '')

function speechOf(fields: ReadBody['fields'], upstream: string | null) {
  const { input, voice, speed, response_format: format, stream_format: events } = readInput(openaiSpeechInput, fields)
  if (events === 'sse')
    throw new GatewayError('BODY_INVALID', { detail: 'stream_format: this speech backend has no events, only sound; leave it out' })
  return { text: input, voice: voice ?? null, ratePercent: Math.round(((speed ?? 1) - 1) * 100), format: format ?? 'mp3', model: upstream }
}
