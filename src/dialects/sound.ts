import type { Units } from '../contract/index.ts'

/** Speech servers mislabel sound as anything binary; text of any kind is an error that was told with status 200. */
export const isSound = (contentType: string): boolean => !/^\s*(?:text\/|application\/(?:[\w.+-]+\+)?(?:json|xml)\b)/i.test(contentType)

/** Characters as a person counts them, not as UTF-16 does. */
export function spokenCharacters(text: string): Units {
  let characters = 0
  for (const _character of text) characters += 1
  return { characters }
}
