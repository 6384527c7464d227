export { readInput } from './input.ts'
export { presentImport, presentKey, presentList, presentNewKey, presentVerdict } from './present.ts'
export { type AdminAnswer, type AdminGuard, type AdminPerform, type AdminPolicy, type KeyRouteParts, keyRoutes } from './routes.ts'
