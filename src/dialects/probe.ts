import type { DialectName, Probe } from '../catalog/index.ts'

const answers200 = (status: number): boolean => status === 200
const answersAtAll = (status: number): boolean => status < 500

/** The cheapest question of each language that proves a backend is there. None of them loads a model. */
const PROBES: Readonly<Record<DialectName, Probe>> = {
  ollama: { path: '/api/version', up: answers200 },
  speak: { path: '/health', up: answersAtAll }, // other wrappers have no such route and answer 404, which proves as much
  openai: { path: '/v1/models', up: answersAtAll },
  anthropic: { path: '/v1/models', up: answersAtAll },
  a1111: { path: '/sdapi/v1/samplers', up: answers200 },
  asr: { path: '/docs', up: answersAtAll },
  whispercpp: { path: '/health', up: answersAtAll }, // it hides errors, its 503 while loading too, behind 404
  plain: { path: '/', up: () => true },
}

export const probeOf = (dialect: DialectName): Probe => PROBES[dialect]
