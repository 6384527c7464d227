import { tool } from '../../scripts/tools.mjs'

export interface Tool {
  readonly path: string
  readonly env: Readonly<Record<string, string>>
  readonly args: readonly string[]
}

/**
 * Why tests that need these tools are skipped, or '' when they can run: `describe.skipIf(lacking('caddy'))(named('…', lacking('caddy')), …)`.
 * On CI nothing is skipped, so that the test fails with the reason instead.
 */
export function lacking(...names: readonly string[]): string {
  if (process.env.CI === 'true') return ''
  return names.flatMap((name) => tool(name).missing ?? []).join('; ')
}

/** A suite's title with the reason for skipping it, so that every reporter shows the reason. */
export function named(title: string, reason: string): string {
  return reason === '' ? title : `${title} (skipped: ${reason})`
}

export function toolOrThrow(name: string): Tool {
  const answer = tool(name)
  if (answer.missing !== undefined) throw new Error(answer.missing)
  return answer
}
