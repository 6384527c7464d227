/** Speech servers mislabel sound as anything binary; text of any kind is an error that was told with status 200. */
export const isSound = (contentType: string): boolean => !/^\s*(?:text\/|application\/(?:[\w.+-]+\+)?(?:json|xml)\b)/i.test(contentType)

const BYTES_PER_SECOND = 16_000

/** How long a recording is, where nobody tells. One rate for all: what a caller calls a file must not choose its price. */
export const heardSeconds = (bytes: number): { seconds: number } => ({ seconds: Math.ceil(bytes / BYTES_PER_SECOND) })

/** Characters as a person counts them, not as UTF-16 does. */
export function spokenCharacters(text: string): { characters: number } {
  let characters = 0
  for (const _character of text) characters += 1
  return { characters }
}
