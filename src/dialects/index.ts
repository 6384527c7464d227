export { type InspectedBody, inspectOllamaBody, type OllamaRules } from './ollama/policy.ts'
export { ollamaReader } from './ollama/usage.ts'
export type { Interrupt, LocalAnswer, Plan, StreamReader, StreamReport, UpstreamRequest, WholeAnswer } from './plan.ts'
export { type RawRequest, rawPath, rawPlan } from './raw.ts'
