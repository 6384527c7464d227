import * as clack from '@clack/prompts'
import { parseMicro, parseRate, rightsOf } from '../kernel/index.ts'
import { type Desk, GivenUp, text } from './key-desk.ts'
import { splitList } from './key-flags.ts'

/** What is asked when a key is made, and again when it is edited. */
export async function pickRights(desk: Desk): Promise<string[]> {
  const picked = await clack.multiselect({
    message: 'What may it use? (space selects, enter goes on)',
    options: [
      { value: 'chat', label: 'chat', hint: 'text and embeddings' },
      { value: 'tts', label: 'tts', hint: 'speech' },
      { value: 'image', label: 'image', hint: 'pictures' },
      { value: 'whisper', label: 'whisper', hint: 'transcription' },
      { value: 'observe', label: 'observe', hint: '/status and /metrics' },
      { value: 'other', label: 'other', hint: 'manage:chat, use:<service> …' },
    ],
    required: true,
    ...desk.streams,
  })
  if (clack.isCancel(picked)) throw new GivenUp()
  const words = picked.filter((word) => word !== 'other')
  if (words.length === picked.length) return words
  const others = await text(desk, { message: 'Which others?', placeholder: 'manage:chat, use:rerank', wrong: wrongRights })
  return [...words, ...splitList(others)]
}

/** In days; null is never. */
export async function pickExpiry(desk: Desk): Promise<number | null> {
  const days = await clack.select({
    message: 'When does it expire?',
    options: [
      { value: 0, label: 'never' },
      { value: 30, label: 'in 30 days' },
      { value: 90, label: 'in 90 days' },
      { value: 365, label: 'in a year' },
      { value: -1, label: 'other' },
    ],
    ...desk.streams,
  })
  if (clack.isCancel(days)) throw new GivenUp()
  if (days >= 0) return days || null
  return Number(await text(desk, { message: 'In how many days?', placeholder: '7', wrong: wrongDays }))
}

export const wrongUser = (name: string) => (/^[\p{L}\p{N}._@+-]{1,64}$/u.test(name) ? undefined : 'letters, digits and . _ @ + - only')
export const wrongRate = (rate: string) => (rate === '' || parseRate(rate) ? undefined : 'want 60/m, 1000/h or 5000/d')
const wrongDays = (days: string) => (/^[1-9]\d{0,4}$/.test(days) && Number(days) <= 36_500 ? undefined : 'want a whole number of days')
const wrongRights = (words: string) => {
  const wrong = splitList(words).find((word) => rightsOf(word) === null)
  if (wrong !== undefined) return `"${wrong}" is no right`
  return splitList(words).length > 0 ? undefined : 'name at least one'
}
export const wrongCount = (text: string) => (text === '' || /^[1-9]\d{0,8}$/.test(text) ? undefined : 'want a whole number, or nothing')
export const wrongAmount = (text: string) =>
  text === '' || (parseMicro(text) ?? -1) >= 0 ? undefined : 'want an amount such as 2.50, or nothing'
