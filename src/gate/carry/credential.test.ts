import { expect, it } from 'vitest'
import type { WholeAnswer } from '../../dialects/index.ts'
import { Secret } from '../../kernel/index.ts'
import { reshaped, withoutCredential } from './credential.ts'

const answer = {
  status: 500,
  contentType: 'text/plain; of=sk-0123456789',
  body: Buffer.from('Authorization: Bearer sk-0123456789, caf\u00e9'),
}
const auth = (value: string) => ({ auth: { header: 'authorization', value: new Secret(value) } })

it('an error of a backend does not give its own credential away, whole or without its scheme', () => {
  const told = withoutCredential(answer, auth('Bearer sk-0123456789'))
  expect(told.body.toString()).toBe('Authorization: Bearer [secret], caf\u00e9')
  expect(told.contentType).toBe('text/plain; of=[secret]')
})

it('an error of a backend without a credential is told as it came', () => {
  expect(withoutCredential(answer, { auth: null })).toBe(answer)
})

it('what cannot be read is read again without the credential, and what can be is left alone', () => {
  const refuse = ({ body }: WholeAnswer): never => {
    throw new Error(body.toString())
  }
  expect(() => reshaped(answer, auth('Bearer sk-0123456789'), refuse)).toThrow('Bearer [secret]')
  const taken = { status: 200, headers: {}, body: 'sk-0123456789' }
  expect(reshaped(answer, auth('sk-0123456789'), () => taken)).toBe(taken)
})
