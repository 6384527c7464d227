export { type AnalyseOptions, analyse } from './analyse.ts'
export type { Report } from './document.ts'
export { findInputs, type Input, type Inputs } from './read/inputs.ts'
export { THREAT_KINDS, type Threat, type ThreatKind } from './threats/threat.ts'
