export { loadOrCreateKey, readSecretFile, SecretFileFault } from './files.ts'
export { createHasher, type Hasher, type HasherOptions, type HasherStats, UnusableHash } from './hasher.ts'
export { ARGON_PARAMETERS, PHC_BOUNDS, phcFault } from './phc.ts'
export type { Claim } from './waiting.ts'
