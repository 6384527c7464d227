export { createLimits, type Hold, type Limits } from './limits.ts'
