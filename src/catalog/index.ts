export { Balancer, type PassedOver, type Standing, type Verdict } from './balancer.ts'
export type { BreakerState } from './breaker.ts'
export { BUILTIN } from './builtin.ts'
export { closeMatches } from './close-matches.ts'
export { createDiscovery, type Discovery, type DiscoveryParts, type Listing } from './discovery.ts'
export { type BackendHealth, createHealth, type Health, type Probe } from './health.ts'
export { type Endpoint, type EndpointRef, type Model, type Models, type Place, PROTOCOLS, type Protocol, protocolsOf } from './model.ts'
export { createModelCatalog, type ModelCatalog, type ModelCatalogParts } from './models/catalog.ts'
export type { Listed } from './models/discovered.ts'
export type { EndpointInfo, EndpointService } from './models/endpoints.ts'
export type { ModelInfo, ModelService } from './models/models.ts'
export type { Page, PageWanted } from './models/parts.ts'
export { type BackendQueue, createQueue, type Release } from './queue.ts'
export { parseRouteLine, toService } from './routes.ts'
export {
  type Backend,
  type BodyPolicy,
  type Deadlines,
  DIALECTS,
  type DialectName,
  type OperationName,
  type Route,
  type Service,
  type ServiceSettings,
} from './service.ts'
export { createVoices, type Voices } from './voices.ts'
