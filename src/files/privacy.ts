const OTHERS = 0o077

/** Whether nobody but its owner, not even the owner's group, can do anything with a file of this mode. */
export const isPrivate = (mode: number): boolean => (mode & OTHERS) === 0

/** Why a file that must be its owner's alone is not, and the command that mends it; null when it is. */
export function privacyFault(path: string, mode: number): string | null {
  if (isPrivate(mode)) return null
  const octal = (mode & 0o777).toString(8).padStart(4, '0')
  return `${path} can be read by other users (mode ${octal}); run: chmod 600 ${shellWord(path)}`
}

/** A path as a shell takes it for one word. */
export const shellWord = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`
