import type { OperationName, Route, Service } from '../../catalog/index.ts'
import type { Plan } from '../../dialects/index.ts'
import type { Visit } from '../visit.ts'
import { rawFace } from './raw.ts'

/** A face turns a request that may pass into an operation, planned in the service's dialect. */
export type Face = (visit: Visit, params: Readonly<Record<string, string>>) => Plan | Promise<Plan>

const FACES: Readonly<Partial<Record<OperationName, (service: Service, route: Route) => Face>>> = {
  raw: rawFace,
}

export function faceOf(service: Service, route: Route): Face {
  const make = FACES[route.operation]
  if (make === undefined) throw new Error(`no face for ${route.operation}`) // the tables of catalog and gate are held together by a test
  return make(service, route)
}
