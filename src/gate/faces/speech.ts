import type { Service } from '../../catalog/index.ts'
import { speakInput } from '../../contract/index.ts'
import { operationOf } from '../../dialects/index.ts'
import { foundName } from '../native-demand.ts'
import type { Face } from './face.ts'
import { readInput } from './input.ts'

/** `POST /api/speak`. */
export function speechFace(service: Service): Face {
  const speak = operationOf(service.dialect, 'speech')
  return (visit) => {
    const { text, voice, rate, format, model } = readInput(speakInput, visit.fields)
    return speak({ text, voice: voice ?? null, ratePercent: rate ?? 0, format: format ?? 'mp3', model: model ?? foundName(visit, service) })
  }
}

/** `GET /api/voices`. */
export function voicesFace({ dialect }: Service): Face {
  return operationOf(dialect, 'voices')
}
