import argon2 from 'argon2'
import { describe, expect, it } from 'vitest'
import { ARGON_PARAMETERS, phcFault } from './phc.ts'

const SALT = 'AAAAAAAAAAAAAAAAAAAAAA'
const HASH = 'A'.repeat(43)
const phc = (parameters: string, salt = SALT, hash = HASH) => `$argon2id$v=19$${parameters}$${salt}$${hash}`

describe('stored hashes', () => {
  it('of our own making are accepted', async () => {
    expect(phcFault(await argon2.hash('secret', { type: argon2.argon2id, ...ARGON_PARAMETERS }))).toBeNull()
  })

  it.each([
    ['both orders of the parameters', phc('m=19456,t=2,p=1')],
    ['both orders of the parameters', phc('m=19456,p=1,t=2')],
    ['the upper bounds', phc('m=262144,t=10,p=4')],
  ])('are accepted with %s', (_what, text) => expect(phcFault(text)).toBeNull())

  it.each([
    ['too little memory', phc('m=19455,t=2,p=1')],
    ['too much memory', phc('m=262145,t=2,p=1')],
    ['too few passes', phc('m=19456,t=1,p=1')],
    ['too many passes', phc('m=19456,t=11,p=1')],
    ['no lane', phc('m=19456,t=2,p=0')],
    ['too many lanes', phc('m=19456,t=2,p=5')],
    ['a short salt', phc('m=19456,t=2,p=1', 'AAAA')],
    ['a short hash', phc('m=19456,t=2,p=1', SALT, 'AAAA')],
    ['another variant', phc('m=19456,t=2,p=1').replace('argon2id', 'argon2i')],
    ['another version', phc('m=19456,t=2,p=1').replace('v=19', 'v=16')],
    ['something after it', `${phc('m=19456,t=2,p=1')} `],
    ['nothing', ''],
  ])('are refused with %s', (_what, text) => expect(phcFault(text)).not.toBeNull())
})
