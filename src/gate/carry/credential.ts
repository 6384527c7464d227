import type { Service } from '../../catalog/index.ts'
import type { LocalAnswer, WholeAnswer } from '../../dialects/index.ts'

/** Shorter words, such as `Bearer`, are no secret. */
const SECRET_CHARS_MIN = 8

/** A backend's error before we tell it in our own words: some repeat the request's headers, and one of them is the credential that the gate has for it. */
export function withoutCredential(answer: WholeAnswer, { auth }: Pick<Service, 'auth'>): WholeAnswer {
  if (auth === null) return answer
  const words = auth.value
    .reveal()
    .split(/\s+/)
    .filter(({ length }) => length >= SECRET_CHARS_MIN)
  const hide = (text: string): string => words.reduce((rest, word) => rest.replaceAll(word, '[secret]'), text)
  // Latin-1 keeps every byte as it is.
  return { ...answer, contentType: hide(answer.contentType), body: Buffer.from(hide(answer.body.toString('latin1')), 'latin1') }
}

/** An answer that cannot be read is told as an error, in the backend's words; a good one is too long to be searched for what it does not hold. */
export function reshaped(answer: WholeAnswer, service: Pick<Service, 'auth'>, reshape: (answer: WholeAnswer) => LocalAnswer): LocalAnswer {
  try {
    return reshape(answer)
  } catch {
    return reshape(withoutCredential(answer, service))
  }
}
