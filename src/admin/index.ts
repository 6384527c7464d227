export { presentImport, presentKey, presentList, presentNewKey, presentVerdict } from './present.ts'
export { type KeyRouteParts, keyRoutes } from './routes.ts'
