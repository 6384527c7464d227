import type { Backend } from '../../catalog/index.ts'
import type { LocalAnswer, WholeAnswer } from '../../dialects/index.ts'

/** Shorter words, such as `Bearer`, are no secret. */
const SECRET_CHARS_MIN = 8

/** A backend's error before we tell it in our own words: some repeat the request's headers, and one of them is the credential that the gate has for it. */
export function withoutCredential(answer: WholeAnswer, backend: Pick<Backend, 'auth'>): WholeAnswer {
  if (backend.auth === null) return answer
  const hide = hiderOf(backend)
  // Latin-1 keeps every byte as it is.
  return { ...answer, contentType: hide(answer.contentType), body: Buffer.from(hide(answer.body.toString('latin1')), 'latin1') }
}

/** Puts a word of ours where text holds the gate's credential for a backend, whole or without its scheme. */
export function hiderOf({ auth }: Pick<Backend, 'auth'>): (text: string) => string {
  if (auth === null) return (text) => text
  const words = auth.value
    .reveal()
    .split(/\s+/)
    .filter(({ length }) => length >= SECRET_CHARS_MIN)
  return (text) => words.reduce((rest, word) => rest.replaceAll(word, '[secret]'), text)
}

/** An answer that cannot be read is told as an error, in the backend's words; a good one is too long to be searched for what it does not hold. */
export function reshaped(answer: WholeAnswer, backend: Pick<Backend, 'auth'>, reshape: (answer: WholeAnswer) => LocalAnswer): LocalAnswer {
  try {
    return reshape(answer)
  } catch {
    return reshape(withoutCredential(answer, backend))
  }
}
