/** What a text stand-in says: that it is one, and enough of the prompt to show that the prompt arrived. */
export function answerTo(prompt: string, tokensPerSecond: number): string {
  const words = prompt.match(/[\p{L}\p{N}'’-]+/gu) ?? []
  const longest = words.reduce((best, word) => (word.length > best.length ? word : best), '')
  const asked = /[?？]\s*$/u.test(prompt)
  const pace = Number.isFinite(tokensPerSecond) ? `at ${tokensPerSecond} tokens a second` : 'as fast as they can'
  return [
    'I am a stand-in, not a language model.',
    `You ${asked ? 'asked' : 'wrote'}: “${quote(prompt)}”`,
    words.length > 1 ? `That is ${words.length} words, the longest of them “${quote(longest)}”.` : '',
    `A real model would ${asked ? 'answer that' : 'reply to that'} in its own words;`,
    `I only show how they would reach you: one token after the other, ${pace}, through the gate and untouched.`,
  ]
    .filter((sentence) => sentence !== '')
    .join(' ')
}

/** What it says when a tool has answered: enough of that to show that it arrived. */
export const answerToTool = (result: string): string => `I am a stand-in, not a language model. The tool said: “${quote(result)}”.`

/** The same, for a caller who asked for JSON. */
export function jsonAnswerTo(prompt: string): string {
  return JSON.stringify({ stand_in: true, you_wrote: quote(prompt), characters: prompt.length })
}

const QUOTED_CHARS_MAX = 100

function quote(text: string): string {
  const flat = text.replaceAll(/\s+/g, ' ').trim()
  const characters = [...flat]
  return characters.length > QUOTED_CHARS_MAX ? `${characters.slice(0, QUOTED_CHARS_MAX - 1).join('')}…` : flat
}

/** Pieces as a tokenizer would make them: at most six letters, with the space before them. Joined again they are the text. */
export function tokensOf(text: string): readonly string[] {
  return text.match(/\s*[\p{L}\p{N}\p{M}]{1,6}|\s*[^\p{L}\p{N}\p{M}\s]|\s+/gu) ?? []
}
