import { describe, expect, it } from 'vitest'
import { refuseHiddenArguments } from './a1111/policy.ts'
import { sentenceOf } from './fault.ts'
import { inspectOllamaBody } from './ollama/policy.ts'

const CHARS = 200_000
const WITHIN_MS = 250

const of = (unit: string): string => unit.repeat(Math.ceil(CHARS / unit.length))

/** How long it takes, whatever it answers or throws. */
function tookMs(look: () => unknown): number {
  const startedMs = performance.now()
  try {
    look()
  } catch {
    // Only the time is asked for here.
  }
  return performance.now() - startedMs
}

const RULES = { mayManage: false, allowCloudModels: false }
const ollama = (fields: object, rules = RULES) => inspectOllamaBody(Buffer.from(JSON.stringify(fields)), rules)
const told = (text: string) =>
  sentenceOf({ status: 400, contentType: 'application/json', body: Buffer.from(JSON.stringify({ error: text })) })

describe('long text that somebody else chose is read in one go', () => {
  it.each([
    ['digits', of('0')],
    ['digits and dots', of('0.')],
    ['seconds', `${of('1s')}!`],
    ['dots', of('.')],
  ])('as a keep_alive of %s', (_what, text) => {
    expect(tookMs(() => ollama({ model: 'm', keep_alive: text }))).toBeLessThan(WITHIN_MS)
  })

  it.each([
    ['spaces', `m:${of(' ')}x`],
    ['colons', of(':')],
    ['colons and spaces', of(': ')],
    ['clouds', `${of(':cloud ')}x`],
  ])('as a name of %s', (_what, model) => {
    for (const mayManage of [false, true]) expect(tookMs(() => ollama({ model }, { ...RULES, mayManage }))).toBeLessThan(WITHIN_MS)
  })

  it.each([
    ['spaces', `<${of(' ')}`],
    ['slashes', `<${of('/')}`],
    ['both', `<${of(' /')}`],
    ['openings', of('<')],
    ['openings and spaces', of('<   ')],
  ])('as a prompt of %s', (_what, prompt) => {
    expect(tookMs(() => refuseHiddenArguments({ prompt, negative_prompt: prompt }))).toBeLessThan(WITHIN_MS)
  })

  it.each([
    ['names of accounts', of('org-')],
    ['names of accounts, apart', of('org-abcdef ')],
    ['one name', `org-${of('a')}`],
    ['spaces', of(' ')],
  ])('as an error of %s', (_what, text) => {
    expect(tookMs(() => told(text))).toBeLessThan(WITHIN_MS)
  })
})

it('an account stays unnamed however far into an error it is told', () => {
  for (const before of ['', 'org-wide ', of(' '), 'x'.repeat(290), 'proj-'.repeat(10)])
    expect(told(`${before} org-SECRET1234567 is over`)).not.toContain('SECRET')
  expect(told('an org-wide-limit of user_defined kind')).toBe('an org-wide-limit of user_defined kind')
})
