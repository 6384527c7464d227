import type { z } from 'zod'
import { issueSentence } from '../../contract/index.ts'
import { clip, GatewayError, LIMITS } from '../../kernel/index.ts'

const FAULTS_SHOWN_MAX = 4
const DETAIL_CHARS_MAX = 1_000

/** Caller-given fields as their schema has them, or a 400 that names each fault and what would be right. `nameOf` tells how the caller spelled a field. */
export function readInput<Shape extends z.ZodRawShape, Config extends z.core.$ZodObjectConfig>(
  schema: z.ZodObject<Shape, Config>,
  fields: unknown,
  nameOf?: (field: string) => string,
): z.output<z.ZodObject<Shape, Config>> {
  const parsed = schema.safeParse(fields)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.slice(0, FAULTS_SHOWN_MAX).map((issue) => {
    const fault = issueSentence(issue, fields, nameOf)
    if (issue.code !== 'unrecognized_keys') return { detail: fault, reason: fault }
    return { detail: unknownField(issue.keys[0] ?? '', Object.keys(schema.shape)), reason: UNKNOWN_FIELD }
  })
  const all = (which: 'detail' | 'reason'): string => clip(faults.map((fault) => fault[which]).join('; '), DETAIL_CHARS_MAX)
  throw new GatewayError('BODY_INVALID', { detail: all('detail'), reason: all('reason') })
}

/** What the ledger is told of a field that there is not: its name is part of a body, and the ledger holds nothing of bodies. */
export const UNKNOWN_FIELD = 'unknown field'

export const unknownField = (name: string, known: readonly string[]): string =>
  `${clip(name, LIMITS.nameCharsMax)}: there is no such field here; this route takes ${known.join(', ')}`
