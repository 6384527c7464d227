/** To the second where that is all that is known, which is every whole second. */
export const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')
export const isoOrNull = (ms: number): string | null => (Number.isFinite(ms) ? iso(ms) : null)
