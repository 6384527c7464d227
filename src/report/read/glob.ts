import { readdirSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'

const SPECIAL = /[*?[]/

export const isGlob = (text: string): boolean => SPECIAL.test(text)

/** Files that match a pattern of `*`, `?` and `[a-z]` in any part of the path. A shell does this too, but cron, systemd and quotes do not. */
export function expandGlob(pattern: string): string[] {
  const parts = resolve(pattern).split(sep).slice(1)
  let found: string[] = [sep]
  for (const part of parts) found = isGlob(part) ? found.flatMap((dir) => matching(dir, part)) : found.map((dir) => join(dir, part))
  return found.sort()
}

function matching(dir: string, part: string): string[] {
  const expression = toExpression(part)
  try {
    // A name that starts with a dot is meant only by a pattern that does.
    return readdirSync(dir)
      .filter((name) => expression.test(name) && (!name.startsWith('.') || part.startsWith('.')))
      .map((name) => join(dir, name))
  } catch {
    return []
  }
}

function toExpression(part: string): RegExp {
  const source = part.replace(/\[!?[^\]]+\]|[\s\S]/g, (piece) => {
    if (piece === '*') return '.*'
    if (piece === '?') return '.'
    if (piece.length > 1) return piece.replace(/^\[!/, '[^').replaceAll('\\', '\\\\')
    return piece.replace(/[.+^${}()|[\]\\]/, '\\$&')
  })
  return new RegExp(`^${source}$`, 'su')
}
