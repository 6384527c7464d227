import { asFields, asText, type Fields } from '../http/body.ts'

/** Content that is a text, or parts of which some are texts. */
export function textOf(content: unknown): string {
  if (!Array.isArray(content)) return asText(content)
  return content.map((part) => asText(asFields(part)?.text ?? part)).join('')
}

/** What a conversation ends with: the last thing a person said, and what a tool said after it. */
export function lastWords(messages: readonly Fields[]): { readonly prompt: string; readonly toolResult: string | null } {
  const asked = messages.findLast(({ role }) => role === 'user') ?? messages.at(-1)
  const last = messages.at(-1)
  return { prompt: textOf(asked?.content), toolResult: last?.role === 'tool' ? textOf(last.content) : null }
}
