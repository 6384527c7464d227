import type { z } from 'zod'
import { clip, GatewayError } from '../kernel/index.ts'

const FAULTS_SHOWN_MAX = 8

/** Caller-given input as its schema has it, or a 400 that names each fault and its place, never the value: it may be a key. */
export function readInput<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.slice(0, FAULTS_SHOWN_MAX).map(({ path, message }) => `${path.join('.') || 'the body'}: ${message}`)
  throw new GatewayError('BODY_INVALID', { detail: clip(faults.join('; '), 1_000) })
}
