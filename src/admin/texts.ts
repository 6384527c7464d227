import { formatMicro } from '../kernel/index.ts'

/** How the management API writes money and times, the same for every resource. */
export const maybeMoney = (micro: number | null): string | null => (micro === null ? null : formatMicro(micro))
export const timeText = (ms: number): string => new Date(ms).toISOString()
export const maybeTime = (ms: number | null): string | null => (ms === null ? null : timeText(ms))
