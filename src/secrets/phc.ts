/** How new secrets are hashed: OWASP's second choice for argon2id, 18 ms here, and the least we accept. */
export const ARGON_PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

/** A stored hash outside these bounds was not written by us: too cheap to protect a key, or dear enough to stop the service. */
export const PHC_BOUNDS = {
  memoryKiB: { min: ARGON_PARAMETERS.memoryCost, max: 262_144 },
  passes: { min: ARGON_PARAMETERS.timeCost, max: 10 },
  lanes: { min: 1, max: 4 },
  saltBytes: { min: 16, max: 64 },
  hashBytes: { min: 32, max: 64 },
} as const

// argon2 0.44 writes `m,t,p`, 0.45 `m,p,t`; both are read.
const PHC =
  /^\$argon2id\$v=19\$m=(\d{1,9}),(?:t=(\d{1,9}),p=(\d{1,9})|p=(\d{1,9}),t=(\d{1,9}))\$([A-Za-z0-9+/]{1,128})\$([A-Za-z0-9+/]{1,128})$/

/** Why a stored PHC string must not be given to argon2; null when it may. */
export function phcFault(phc: string): string | null {
  const match = PHC.exec(phc)
  if (!match) return 'not an argon2id PHC string'
  const found = {
    memoryKiB: Number(match[1]),
    passes: Number(match[2] ?? match[5]),
    lanes: Number(match[3] ?? match[4]),
    saltBytes: bytesOf(match[6]),
    hashBytes: bytesOf(match[7]),
  }
  for (const [name, { min, max }] of Object.entries(PHC_BOUNDS)) {
    const value = found[name as keyof typeof found] // both tables have the same names
    if (value < min || value > max) return `${name} is ${value}, outside ${min} to ${max}`
  }
  return null
}

const bytesOf = (base64: string | undefined) => Math.floor(((base64 ?? '').length * 3) / 4)
