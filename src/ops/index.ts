export { createLog } from './log.ts'
export { createMetrics, type MetricSources, type Metrics } from './metrics.ts'
export { type BackendStanding, type EndpointStanding, mountOps, type OpsParts, type Standing, UNRECORDED_ROUTES } from './routes.ts'
