export { createLog } from './log.ts'
export { createMetrics, type MetricSources, type Metrics } from './metrics.ts'
export { mountOps, type OpsParts, UNRECORDED_ROUTES } from './routes.ts'
